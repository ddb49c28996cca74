{#
    Generated from assay/warehouse/schemas/rejected_records.json; do not edit.
    `python -m assay.warehouse.dbt_sources --write` writes it.
-#}
with

source as (

    select * from {{ source('landing', 'rejected_records') }}

),

deduplicated as (

    {{ deduplicate_landing('source', key=['run_id', 'position'], keep='first') }}

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
        position,
        record_id,
        reason,
        explanation,
        column_name,
        raw_hash,
    from deduplicated

)

select * from final
