{#
    Generated from assay/warehouse/schemas/contents.json; do not edit.
    `python -m assay.warehouse.dbt_sources --write` writes it.
-#}
with

source as (

    select * from {{ source('landing', 'contents') }}

),

deduplicated as (

    {{ deduplicate_landing('source', key=['call_id'], keep='first') }}

),

final as (

    select
        data_date,
        occurred_at,
        landed_at,
        row_hash,
        tenant_id,
        call_id,
        run_id,
        task,
        request_key,
        record_id,
        messages,
        output_text,
        subject_key,
        masking_version,
    from deduplicated

)

select * from final
