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
        scores.gives,
    from scores
    inner join predictions
        on scores.prediction_id = predictions.prediction_id

),

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
        {{ score_counts() }},
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
