with

scores as (

    select * from {{ ref('fct_scores') }}
    -- Labeled samples are not uniform: rates from human labels are weighted, in estimates.
    where is_verdict and coalesce(scorer_kind != 'human', true)

),

runs as (

    select * from {{ ref('int_runs_counted') }}

),

estimates as (

    select * from {{ ref('int_estimates_latest') }}
    where metric = 'pass_rate' and slice = 'overall'

),

counted as (

    select
        run_id,
        population,
        scorer,
        scorer_kind,
        scorer_version,
        count(*) as n_judgements,
        countif(status = 'scored') as n_scored,
        countif(status = 'unscored') as n_unscored,
        countif(status = 'failed') as n_failed,
        countif(status = 'refused') as n_refused,
        countif(status = 'scored' and is_passed) as n_passed,
        countif(status = 'scored' and is_passed is not null) as n_decided,
    from scores
    group by run_id, population, scorer, scorer_kind, scorer_version

),

final as (

    select
        runs.task,
        runs.data_date,
        counted.run_id,
        counted.population,
        counted.scorer,
        counted.scorer_kind,
        counted.scorer_version,
        counted.n_judgements,
        counted.n_scored,
        counted.n_unscored,
        counted.n_failed,
        counted.n_refused,
        counted.n_passed,
        safe_divide(counted.n_passed, counted.n_decided) as pass_rate,
        estimates.low,
        estimates.high,
        estimates.method,
        coalesce(estimates.status, 'none') as interval_status,
        estimates.reason as interval_reason,
    from counted
    inner join runs
        on counted.run_id = runs.run_id
    left join estimates
        on
            counted.run_id = estimates.run_id
            and counted.population = estimates.population
            and counted.scorer = estimates.scorer
            and counted.scorer_version = estimates.scorer_version
            and counted.n_decided = estimates.n

)

select * from final
