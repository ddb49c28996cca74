with

counted as (

    select * from {{ ref('int_run_scores_counted') }}

),

runs as (

    select counted.* from {{ ref('int_runs_counted') }} as counted
    where counted.run_id in (select built.run_id from {{ ref('int_runs_built') }} as built)

),

estimates as (

    select * from {{ ref('int_estimates_latest') }}
    where slice = 'overall'

),

-- A scorer that gives a number without pass or fail has no pass rate.
rated as (

    select
        *,
        if(not is_measure, n_passed / n_judgements, null) as worst_case,
        if(not is_measure, (n_passed + n_undecided) / n_judgements, null) as best_case,
        if(not is_measure, n_delivered_passed / n_judgements, null) as delivered_worst_case,
    from counted

),

-- As with reliability, an estimate is used only where it covers exactly these scores.
estimated as (

    select
        rated.*,
        estimates.low,
        estimates.high,
        estimates.method,
        estimates.status as estimate_status,
        estimates.reason,
    from rated
    left join estimates
        on
            rated.run_id = estimates.run_id
            and rated.population = estimates.population
            and rated.scorer = estimates.scorer
            and rated.scorer_version = estimates.scorer_version
            and estimates.metric = 'pass_rate'
            and rated.n_judgements = estimates.n
            and {{ has_share('estimates', 'worst', 'rated.worst_case') }}
            and {{ has_share('estimates', 'best', 'rated.best_case') }}

),

final as (

    select
        runs.task,
        runs.data_date,
        rated.run_id,
        rated.population,
        rated.scorer,
        rated.scorer_kind,
        rated.scorer_version,
        rated.n_judgements,
        rated.n_no_output,
        rated.n_scored,
        rated.n_unscored,
        rated.n_failed,
        rated.n_refused,
        rated.n_passed,
        if(rated.n_undecided < rated.n_judgements, rated.worst_case, null) as pass_rate,
        rated.low,
        rated.high,
        rated.method,
        coalesce(rated.estimate_status, 'none') as interval_status,
        rated.reason as interval_reason,
        rated.n_fallback,
        if(rated.n_delivered_undecided < rated.n_judgements, rated.delivered_worst_case, null)
            as delivered_pass_rate,
        if(rated.n_fallback = 0, rated.low, delivered.low) as delivered_low,
        if(rated.n_fallback = 0, rated.high, delivered.high) as delivered_high,
    from estimated as rated
    inner join runs
        on rated.run_id = runs.run_id
    left join estimates as delivered
        on
            rated.estimate_status is not null
            and rated.run_id = delivered.run_id
            and rated.population = delivered.population
            and rated.scorer = delivered.scorer
            and rated.scorer_version = delivered.scorer_version
            and delivered.metric = 'delivered_pass_rate'
            and rated.n_judgements = delivered.n
            and {{ has_share('delivered', 'worst', 'rated.delivered_worst_case') }}

)

select * from final
