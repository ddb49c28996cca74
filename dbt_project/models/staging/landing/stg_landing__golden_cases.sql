{#
    Generated from assay/warehouse/schemas/golden_cases.json; do not edit.
    `python -m assay.warehouse.dbt_sources --write` writes it.
-#}
with

source as (

    select * from {{ source('landing', 'golden_cases') }}

),

deduplicated as (

    {{ deduplicate_landing('source', key=['task', 'golden_set_version', 'case_id'], keep='first') }}

),

final as (

    select
        data_date,
        occurred_at,
        landed_at,
        row_hash,
        tenant_id,
        task,
        golden_set_version,
        case_id,
        split,
        input,
        expected,
        slices,
        cluster_id,
        author,
        authored_on,
        masking_version,
    from deduplicated

)

select * from final
