{#
    Generated from assay/warehouse/schemas/records.json; do not edit.
    `python -m assay.warehouse.dbt_sources --write` writes it.
-#}
with

source as (

    select * from {{ source('landing', 'records') }}

),

deduplicated as (

    {{ deduplicate_landing('source', key=['run_id', 'record_id'], keep='first') }}

),

final as (

    select
        data_date,
        occurred_at,
        landed_at,
        row_hash,
        tenant_id,
        run_id,
        task,
        record_id,
        position,
        population,
        input,
        input_hash,
        expected,
        cluster_id,
        conversation_key,
        turn,
        slices,
        requester,
        access_tags,
        masked_entities,
        subject_key,
        masking_version,
    from deduplicated

)

select * from final
