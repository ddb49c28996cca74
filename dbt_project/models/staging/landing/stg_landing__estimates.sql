{#
    Generated from assay/warehouse/schemas/estimates.json; do not edit.
    `python -m assay.warehouse.dbt_sources --write` writes it.
-#}
with

source as (

    select * from {{ source('landing', 'estimates') }}

),

deduplicated as (

    {{ deduplicate_landing('source', key=['estimate_id'], keep='latest') }}

),

final as (

    select
        data_date,
        occurred_at,
        landed_at,
        row_hash,
        tenant_id,
        estimate_id,
        evaluation_id,
        run_id,
        task,
        metric,
        population,
        slice,
        method,
        value,
        low,
        high,
        level,
        n,
        clusters,
        effective_n,
        label_counts,
        inference_version,
        golden_set_version,
        policy_version,
        status,
        reason,
        seed,
        code_version,
        scorer,
        scorer_version,
        standard_error,
        worst,
        best,
        calibration,
        details,
        kind,
        label,
    from deduplicated

)

select * from final
