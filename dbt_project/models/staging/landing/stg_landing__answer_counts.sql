{#
    Generated from assay/warehouse/schemas/answer_counts.json; do not edit.
    `python -m assay.warehouse.dbt_sources --write` writes it.
-#}
with

source as (

    select * from {{ source('landing', 'answer_counts') }}

),

deduplicated as (

    {{ deduplicate_landing('source', key=['answer_count_id'], keep='latest') }}

),

final as (

    select
        data_date,
        occurred_at,
        landed_at,
        row_hash,
        tenant_id,
        answer_count_id,
        run_id,
        task,
        inference_version,
        population,
        slice,
        field,
        scorer,
        scorer_version,
        expected,
        answered,
        status,
        n,
    from deduplicated

)

select * from final
