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

-- Several annotators must all have scored, and all have passed; a judge counts by its verdict.
-- A judge with several votes and no verdict is not scored.
final as (

    select
        scores.prediction_id,
        scores.scorer,
        max(scores.landed_at) as landed_at,
        countif(scores.is_verdict) as n_judgements,
        countif(scores.is_verdict) > 0
        and logical_and(
            not scores.is_verdict or (scores.status = 'scored' and scores.passed is not null)
        ) as is_scored,
        countif(scores.is_verdict) > 0
        and logical_and(not scores.is_verdict or coalesce(scores.passed, false)) as is_passed,
    from scores
    inner join newest_versions
        on
            scores.prediction_id = newest_versions.prediction_id
            and scores.scorer = newest_versions.scorer
            and scores.scorer_version = newest_versions.scorer_version
    group by scores.prediction_id, scores.scorer

)

select * from final
