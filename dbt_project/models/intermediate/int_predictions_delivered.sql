with

-- Only a request that failed and was requested again delivers another outcome than its first.
predictions as (

    select * from {{ ref('int_predictions_enriched') }}
    where delivered_status != status

),

task_versions as (

    select * from {{ ref('stg_landing__task_versions') }}

),

scores as (

    select * from {{ ref('int_scores_agreed') }}

),

required_scorers as (

    select distinct
        task_versions.task_version_id,
        scorer,
    from task_versions
    cross join unnest(task_versions.correct_scorers) as scorer

),

scored as (

    select
        predictions.prediction_id,
        count(required_scorers.scorer) as n_required,
        countif(scores.is_scored and scores.is_passed) as n_passed,
        countif(scores.is_scored and not scores.is_passed) as n_failed,
    from predictions
    left join required_scorers
        on predictions.task_version_id = required_scorers.task_version_id
    left join scores
        on
            predictions.prediction_id = scores.prediction_id
            and required_scorers.scorer = scores.scorer
    group by predictions.prediction_id

),

final as (

    select
        predictions.prediction_id,
        case
            when predictions.delivered_status = 'skipped_budget' then false
            when scored.n_required = 0 then null
            when not ({{ can_be_correct('predictions.delivered_status') }}) then false
            when scored.n_failed > 0 then false
            when scored.n_passed = scored.n_required then true
        end as is_delivered_correct,
    from predictions
    inner join scored
        on predictions.prediction_id = scored.prediction_id
    left join task_versions
        on predictions.task_version_id = task_versions.task_version_id

)

select * from final
