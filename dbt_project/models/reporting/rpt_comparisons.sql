with

comparisons as (

    select * from {{ ref('stg_landing__comparisons') }}

),

final as (

    select
        comparison_id,
        evaluation_id,
        task,
        data_date,
        occurred_at as compared_at,
        candidate_variant,
        candidate_run_id,
        candidate_inference_version,
        champion_variant,
        champion_run_id,
        champion_inference_version,
        metric,
        population,
        slice,
        n,
        clusters as n_clusters,
        gains,
        losses,
        gains + losses as n_discordant,
        safe_divide(gains + losses, n) as discordance,
        n_unscored,
        n_left_out,
        candidate_rate,
        champion_rate,
        difference,
        low,
        high,
        lower,
        upper,
        p_value,
        detectable,
        margin,
        needed,
        method,
        status,
        reason,
        status != 'inconclusive' and low > 0 as is_improvement_shown,
        status != 'inconclusive' and high < 0 as is_regression_shown,
        row_number() over (
            partition by task, candidate_variant, metric, population, slice
            order by occurred_at desc, landed_at desc, comparison_id asc
        ) = 1 as is_latest,
        golden_set_version,
        policy_version,
        code_version,
    from comparisons

)

select * from final
