with

runs as (

    select * from {{ ref('int_runs_counted') }}

),

sliced as (

    select
        *,
        least(n_correct, n_eligible - n_correct) >= {{ var('fewest_outcomes') }}
        and n_unscored = 0
        and epochs = 1
        and n_clusters = n_eligible
            as is_wilson_valid,
    from {{ ref('int_runs_sliced') }}

),

estimates as (

    select * from {{ ref('int_estimates_latest') }}
    where scorer is null and metric = 'reliability'

),

-- Where judges score a sample of the predictions, the estimate covers that sample alone.
joined as (

    select
        runs.task,
        runs.stage,
        runs.variant,
        runs.inference_version,
        runs.data_date,
        runs.run_status,
        runs.is_whole,
        runs.run_finished_at,
        sliced.*,
        estimates.n = sliced.n_eligible
        and estimates.status != 'none'
        and coalesce(abs(estimates.value * estimates.n - sliced.n_correct) < 1e-6, true)
            as is_estimated,
        estimates.low as estimate_low,
        estimates.high as estimate_high,
        estimates.method as estimate_method,
        estimates.effective_n as estimate_effective_n,
        estimates.status as estimate_status,
        estimates.reason as estimate_reason,
    from sliced
    inner join runs
        on sliced.run_id = runs.run_id
    left join estimates
        on
            sliced.run_id = estimates.run_id
            and sliced.population = estimates.population
            and sliced.slice = estimates.slice

),

final as (

    select
        task,
        stage,
        variant,
        inference_version,
        data_date,
        run_id,
        run_status,
        is_whole,
        run_finished_at,
        population,
        slice,
        n_predictions,
        n_skipped,
        n_eligible,
        n_correct,
        n_unscored,
        if(n_unscored < n_eligible, n_correct / n_eligible, null) as reliability,
        safe_divide(n_correct, n_eligible) as worst_case,
        safe_divide(n_correct + n_unscored, n_eligible) as best_case,
        case
            when is_estimated then estimate_low
            when is_wilson_valid then {{ wilson_bound('n_correct', 'n_eligible', 'low') }}
        end as low,
        case
            when is_estimated then estimate_high
            when is_wilson_valid then {{ wilson_bound('n_correct', 'n_eligible', 'high') }}
        end as high,
        case when is_estimated then estimate_method when is_wilson_valid then 'wilson' end
            as method,
        case
            when is_estimated then estimate_effective_n
            when is_wilson_valid then cast(n_eligible as float64)
        end as effective_n,
        case when is_estimated then estimate_status when is_wilson_valid then 'ok' else 'none' end
            as interval_status,
        case
            when is_estimated then estimate_reason
            when n_eligible = 0 then 'no prediction'
            when not is_wilson_valid
                then 'no estimate of the run covers exactly these predictions'
        end as interval_reason,
        n_answered,
        safe_divide(n_answered_correct, n_answered) as quality_when_answered,
        n_second_chances,
        n_delivered_correct,
        safe_divide(n_delivered_correct, n_eligible) as delivered_rate,
        n_clusters,
        epochs,
    from joined

)

select * from final
