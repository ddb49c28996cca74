with

runs as (

    select counted.* from {{ ref('int_runs_counted') }} as counted
    where counted.run_id in (select built.run_id from {{ ref('int_runs_built') }} as built)

),

rated as (

    select * from {{ ref('int_runs_rated') }}

),

estimates as (

    select * from {{ ref('int_estimates_latest') }}
    where scorer is null and metric = 'reliability'

),

-- As in rpt_reliability, an estimate is used only where it is that of exactly these predictions.
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
        rated.*,
        estimates.run_id is not null as is_estimated,
        estimates.low as estimate_low,
        estimates.high as estimate_high,
        estimates.method as estimate_method,
        estimates.effective_n as estimate_effective_n,
        estimates.status as estimate_status,
        estimates.reason as estimate_reason,
    from rated
    inner join runs
        on rated.run_id = runs.run_id
    left join estimates
        on
            rated.run_id = estimates.run_id
            and rated.population = estimates.population
            and rated.slice = estimates.slice
            and rated.n_eligible = estimates.n
            and estimates.status != 'none'
            and {{ has_share('estimates', 'worst', 'rated.worst_case') }}
            and {{ has_share('estimates', 'best', 'rated.best_case') }}

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
        n_unjudged,
        n_eligible,
        n_correct,
        n_unscored,
        reliability,
        worst_case,
        best_case,
        case
            when is_estimated then estimate_low
            when is_wilson_valid then {{ wilson_bound('n_correct', 'n_eligible', 'low') }}
        end as low,
        case
            when is_estimated then estimate_high
            when is_wilson_valid
                then {{ wilson_bound('(n_correct + n_unscored)', 'n_eligible', 'high') }}
        end as high,
        case
            when is_estimated then estimate_method
            when is_wilson_valid then if(n_unscored = 0, 'wilson', 'worst_and_best_case')
        end as method,
        case
            when is_estimated then estimate_effective_n
            when is_wilson_valid and n_unscored = 0 then cast(n_eligible as float64)
        end as effective_n,
        case
            when is_estimated then estimate_status
            when is_wilson_valid then if(n_unscored = 0, 'ok', 'unscored')
            else 'none'
        end as interval_status,
        case
            when is_estimated then estimate_reason
            when n_eligible = 0 then 'no prediction'
            when not is_wilson_valid then 'no estimate of the run covers exactly these predictions'
            when n_unscored > 0 then {{ unscored_reason() }}
        end as interval_reason,
        n_answered,
        quality_when_answered,
        n_second_chances,
        n_delivered_correct,
        delivered_rate,
        n_clusters,
        epochs,
    from joined

)

select * from final
