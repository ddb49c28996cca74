with

comparisons as (

    select * from {{ ref('stg_landing__comparisons') }}
    where perturbation is not null

),

final as (

    select
        comparison_id,
        evaluation_id,
        task,
        candidate_variant as variant,
        candidate_inference_version as inference_version,
        data_date,
        occurred_at as measured_at,
        perturbation,
        metric,
        slice,
        n as n_changed,
        n_left_out as n_unchanged,
        clusters as n_clusters,
        gains,
        losses,
        n_unscored,
        champion_rate as original_rate,
        candidate_rate as perturbed_rate,
        difference,
        low,
        high,
        lower,
        upper,
        p_value,
        adjusted_p,
        margin,
        method,
        status,
        reason,
        difference < 0 and adjusted_p <= {{ var('error') }} as is_drop_shown,
        row_number() over (
            partition by task, candidate_variant, perturbation, metric, slice
            order by occurred_at desc, landed_at desc, comparison_id asc
        ) = 1 as is_latest,
        candidate_run_id as perturbed_run_id,
        champion_run_id as original_run_id,
        golden_set_version,
        code_version,
    from comparisons

)

select * from final
