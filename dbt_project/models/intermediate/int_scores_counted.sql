with

scores as (

    select * from {{ ref('fct_scores') }}
    -- Labeled samples are not uniform: rates from human labels are weighted, in estimates.
    where is_verdict and coalesce(scorer_kind != 'human', true)

),

predictions as (

    select
        *,
        is_answered or first_status = 'fallback' as has_output,
    from {{ ref('int_predictions_counted') }}
    where first_status != 'skipped_budget'

),

judged as (

    select
        predictions.task,
        predictions.stage,
        predictions.variant,
        predictions.inference_version,
        predictions.population,
        predictions.run_id,
        predictions.first_status,
        predictions.first_status != predictions.status as is_of_second_chance,
        predictions.is_answered,
        predictions.has_output,
        scores.scorer,
        scores.scorer_kind,
        scores.scorer_version,
        scores.status,
        scores.value,
        scores.status = 'scored' and coalesce(scores.is_passed, false) as is_passed,
        scores.status = 'scored' and scores.is_passed is not null as is_decided,
        scores.status = 'scored' and scores.is_passed is null as is_measured,
    from scores
    inner join predictions
        on scores.prediction_id = predictions.prediction_id

),

-- The score of a fallback value describes what was delivered, not the model. A rate counts first
-- outcomes: a second chance does not turn a failure into a pass.
final as (

    select
        task,
        stage,
        variant,
        inference_version,
        population,
        scorer,
        scorer_kind,
        scorer_version,
        count(distinct run_id) as n_runs,
        max(run_id) as last_run_id,
        count(*) as n_judgements,
        countif(not is_answered) as n_no_output,
        countif(is_answered and status = 'scored') as n_scored,
        countif(is_answered and status = 'unscored') as n_unscored,
        countif(is_answered and status = 'failed') as n_failed,
        countif(is_answered and status = 'refused') as n_refused,
        countif(is_answered and is_passed) as n_passed,
        countif(is_answered and not is_decided) as n_undecided,
        countif(first_status = 'fallback') as n_fallback,
        countif(has_output and is_passed) as n_delivered_passed,
        countif(has_output and not is_decided) as n_delivered_undecided,
        countif(has_output and is_measured) > 0
        and countif(has_output and is_decided) = 0 as is_measure,
        avg(
            if(
                first_status != 'fallback' and not is_of_second_chance and status = 'scored',
                value,
                null
            )
        ) as mean_value,
    from judged
    group by
        task,
        stage,
        variant,
        inference_version,
        population,
        scorer,
        scorer_kind,
        scorer_version

)

select * from final
