with

scores as (

    select * from {{ ref('stg_landing__scores') }}

),

-- When a scorer changed, only what its newest version said of a prediction counts.
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

-- Several judge epochs or annotators must all have scored, and all have passed.
final as (

    select
        scores.prediction_id,
        scores.scorer,
        max(scores.landed_at) as landed_at,
        count(*) as n_judgements,
        logical_and(scores.status = 'scored' and scores.passed is not null) as is_scored,
        logical_and(coalesce(scores.passed, false)) as is_passed,
    from scores
    inner join newest_versions
        on
            scores.prediction_id = newest_versions.prediction_id
            and scores.scorer = newest_versions.scorer
            and scores.scorer_version = newest_versions.scorer_version
    group by scores.prediction_id, scores.scorer

)

select * from final
