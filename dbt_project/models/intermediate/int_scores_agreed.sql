with

scores as (

    select
        *,
        {{ is_verdict('scores') }} as is_verdict,
    from {{ ref('stg_landing__scores') }} as scores
    -- Human labels calibrate a scorer; they are not scores of it.
    where coalesce(scores.scorer_kind != 'human', true)

),

-- Where the scorer changed, only the scores of its newest version of a prediction count.
newest_versions as (

    select
        prediction_id,
        scorer,
        scorer_version,
    from scores
    where true
    qualify
        row_number() over (
            partition by prediction_id, scorer
            order by occurred_at desc, landed_at desc, scorer_version desc
        ) = 1

),

-- Several annotators must all have scored and all have passed; one that failed the prediction
-- decides alone. A judge counts by its verdict; with several votes and none, it is not scored.
judged as (

    select
        scores.prediction_id,
        scores.scorer,
        max(scores.landed_at) as landed_at,
        countif(scores.is_verdict) as n_judgements,
        countif(scores.is_verdict and scores.status = 'scored' and scores.passed) as n_passed,
        countif(scores.is_verdict and scores.status = 'scored' and not scores.passed) as n_failed,
    from scores
    inner join newest_versions
        on
            scores.prediction_id = newest_versions.prediction_id
            and scores.scorer = newest_versions.scorer
            and scores.scorer_version = newest_versions.scorer_version
    group by scores.prediction_id, scores.scorer

),

final as (

    select
        prediction_id,
        scorer,
        landed_at,
        n_judgements,
        n_failed > 0 or (n_judgements > 0 and n_passed = n_judgements) as is_scored,
        n_judgements > 0 and n_passed = n_judgements as is_passed,
    from judged

)

select * from final
