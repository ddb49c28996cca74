with

scores as (

    select * from {{ ref('fct_scores') }}
    -- People label chosen items: rates from their labels are weighted, and stand in estimates.
    where is_verdict and coalesce(scorer_kind != 'human', true)

),

predictions as (

    select * from {{ ref('int_predictions_counted') }}

),

final as (

    select
        predictions.task,
        predictions.stage,
        predictions.variant,
        predictions.inference_version,
        predictions.population,
        scores.scorer,
        scores.scorer_kind,
        scores.scorer_version,
        count(*) as n_judgements,
        countif(scores.status = 'scored') as n_scored,
        countif(scores.status = 'unscored') as n_unscored,
        countif(scores.status = 'failed') as n_failed,
        countif(scores.status = 'refused') as n_refused,
        countif(scores.status = 'scored' and scores.is_passed) as n_passed,
        safe_divide(
            countif(scores.status = 'scored' and scores.is_passed),
            countif(scores.status = 'scored' and scores.is_passed is not null)
        ) as pass_rate,
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

)

select * from final
