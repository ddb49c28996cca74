with

predictions as (

    select * from {{ ref('int_predictions_enriched') }}

),

task_versions as (

    select * from {{ ref('stg_landing__task_versions') }}

),

scores as (

    select * from {{ ref('int_scores_agreed') }}

),

declared_scorers as (

    select
        task_versions.task_version_id,
        json_value(declared, '$.name') as scorer,
        logical_or(json_value(declared, '$.sample') is not null) as has_sample,
    from task_versions
    cross join unnest(json_query_array(task_versions.checks)) as declared
    group by task_version_id, scorer

),

required_scorers as (

    select distinct
        task_versions.task_version_id,
        scorer,
    from task_versions
    cross join unnest(task_versions.correct_scorers) as scorer

),

answered as (

    select
        predictions.*,
        predictions.status in ('ok', 'repaired') as is_answered,
        {{ can_be_correct('predictions.status') }} as can_be_correct,
    from predictions
    left join task_versions
        on predictions.task_version_id = task_versions.task_version_id

),

-- A judge that scores a sample has no row for a prediction outside it. Versions that do not
-- declare the scorer cannot say so: there, an output without a row is outside.
scored as (

    select
        answered.prediction_id,
        max(scores.landed_at) as landed_at,
        count(required_scorers.scorer) as n_required,
        countif(scores.is_scored and scores.is_passed) as n_passed,
        countif(scores.is_scored and not scores.is_passed) as n_failed,
        countif(
            required_scorers.scorer is not null
            and scores.prediction_id is null
            and coalesce(declared_scorers.has_sample, answered.can_be_correct)
        ) as n_outside,
    from answered
    left join required_scorers
        on answered.task_version_id = required_scorers.task_version_id
    left join declared_scorers
        on
            required_scorers.task_version_id = declared_scorers.task_version_id
            and required_scorers.scorer = declared_scorers.scorer
    left join scores
        on
            answered.prediction_id = scores.prediction_id
            and required_scorers.scorer = scores.scorer
    group by answered.prediction_id

),

final as (

    select
        answered.prediction_id,
        answered.data_date,
        greatest(
            answered.landed_at, coalesce(scored.landed_at, answered.landed_at)
        ) as landed_at,
        answered.status != 'skipped_budget' and scored.n_outside = 0 as is_eligible,
        answered.is_answered,
        case
            when answered.status = 'skipped_budget' then null
            when scored.n_required = 0 or scored.n_outside > 0 then null
            when not answered.can_be_correct then false
            when scored.n_failed > 0 then false
            when scored.n_passed = scored.n_required then true
        end as is_correct,
    from answered
    inner join scored
        on answered.prediction_id = scored.prediction_id

)

select * from final
