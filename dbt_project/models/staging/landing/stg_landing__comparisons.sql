{#
    Generated from assay/warehouse/schemas/comparisons.json; do not edit.
    `python -m assay.warehouse.dbt_sources --write` writes it.
-#}
with

source as (

    select * from {{ source('landing', 'comparisons') }}

),

deduplicated as (

    {{ deduplicate_landing('source', key=['comparison_id'], keep='latest') }}

),

final as (

    select
        data_date,
        occurred_at,
        landed_at,
        row_hash,
        tenant_id,
        comparison_id,
        evaluation_id,
        task,
        candidate_variant,
        candidate_run_id,
        candidate_inference_version,
        champion_variant,
        champion_run_id,
        champion_inference_version,
        metric,
        population,
        slice,
        candidate_rate,
        champion_rate,
        difference,
        low,
        high,
        lower,
        upper,
        p_value,
        n,
        clusters,
        gains,
        losses,
        n_unscored,
        n_left_out,
        detectable,
        margin,
        needed,
        method,
        resampled_low,
        resampled_high,
        seed,
        status,
        reason,
        golden_set_version,
        policy_version,
        code_version,
        adjusted_p,
        simultaneous_low,
        simultaneous_high,
        family_size,
        kind,
        perturbation,
    from deduplicated

)

select * from final
