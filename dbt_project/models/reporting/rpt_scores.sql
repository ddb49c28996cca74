with

scores as (

    select * from {{ ref('fct_scores') }}
    -- Labeled samples are not uniform: rates from human labels are weighted, in estimates.
    where is_verdict and coalesce(scorer_kind != 'human', true)

),

predictions as (

    select * from {{ ref('int_predictions_counted') }}

),

estimates as (

    select * from {{ ref('int_estimates_latest') }}
    where metric = 'pass_rate' and slice = 'overall'

),

counted as (

    select
        predictions.task,
        predictions.stage,
        predictions.variant,
        predictions.inference_version,
        predictions.population,
        scores.scorer,
        scores.scorer_kind,
        scores.scorer_version,
        count(distinct predictions.run_id) as n_runs,
        max(predictions.run_id) as last_run_id,
        count(*) as n_judgements,
        countif(scores.status = 'scored') as n_scored,
        countif(scores.status = 'unscored') as n_unscored,
        countif(scores.status = 'failed') as n_failed,
        countif(scores.status = 'refused') as n_refused,
        countif(scores.status = 'scored' and scores.is_passed) as n_passed,
        countif(scores.status = 'scored' and scores.is_passed is not null) as n_decided,
        avg(if(scores.status = 'scored', scores.value, null)) as mean_value,
    from scores
    inner join predictions
        on scores.prediction_id = predictions.prediction_id
    group by
        predictions.task,
        predictions.stage,
        predictions.variant,
        predictions.inference_version,
        predictions.population,
        scores.scorer,
        scores.scorer_kind,
        scores.scorer_version

),

-- As with reliability, an estimate is used only where it covers exactly these scores.
final as (

    select
        counted.task,
        counted.stage,
        counted.variant,
        counted.inference_version,
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
        {{ variance_part('estimates.details', 'record') }} as variance_between_records,
        {{ variance_part('estimates.details', 'epoch') }} as variance_within_records,
        {{ variance_part('estimates.details', 'judge') }} as variance_between_judgements,
        counted.mean_value,
    from counted
    left join estimates
        on
            counted.n_runs = 1
            and counted.last_run_id = estimates.run_id
            and counted.task = estimates.task
            and counted.inference_version = estimates.inference_version
            and counted.population = estimates.population
            and counted.scorer = estimates.scorer
            and counted.scorer_version = estimates.scorer_version
            and counted.n_decided = estimates.n

)

select * from final
