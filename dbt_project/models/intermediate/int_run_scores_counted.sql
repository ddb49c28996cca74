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
    from {{ ref('fct_predictions') }}
    where first_status != 'skipped_budget'

),

judged as (

    select
        predictions.run_id,
        predictions.population,
        predictions.first_status,
        predictions.is_answered,
        predictions.has_output,
        scores.scorer,
        scores.scorer_kind,
        scores.scorer_version,
        scores.status,
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
        run_id,
        population,
        scorer,
        scorer_kind,
        scorer_version,
        {{ score_counts() }},
    from judged
    group by
        run_id,
        population,
        scorer,
        scorer_kind,
        scorer_version

)

select * from final
