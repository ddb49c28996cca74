with

comparisons as (

    select * from {{ ref('stg_landing__comparisons') }}
    where perturbation is null

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
        adjusted_p,
        simultaneous_low,
        simultaneous_high,
        family_size,
        detectable,
        margin,
        needed,
        method,
        status,
        reason,
        status != 'inconclusive' and coalesce(simultaneous_low, low) > 0 as is_improvement_shown,
        status != 'inconclusive' and coalesce(simultaneous_high, high) < 0 as is_regression_shown,
        row_number() over (
            -- A pair of several variants does not replace the comparison with a champion.
            partition by
                task,
                candidate_variant,
                if(family_size is null, '', champion_variant),
                family_size is null,
                metric,
                population,
                slice
            order by occurred_at desc, landed_at desc, comparison_id asc
        ) = 1 as is_latest,
        golden_set_version,
        policy_version,
        code_version,
    from comparisons

)

select * from final
