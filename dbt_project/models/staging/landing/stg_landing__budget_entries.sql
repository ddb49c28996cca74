{#
    Generated from assay/warehouse/schemas/budget_entries.json; do not edit.
    `python -m assay.warehouse.dbt_sources --write` writes it.
-#}
with

source as (

    select * from {{ source('landing', 'budget_entries') }}

),

deduplicated as (

    {{ deduplicate_landing('source', key=['lease_id', 'event', 'sequence'], keep='latest') }}

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
        lease_id,
        event,
        sequence,
        month,
        amount_usd,
        is_expired,
        run_cap_usd,
        task_cap_usd,
        month_cap_usd,
    from deduplicated

)

select * from final
