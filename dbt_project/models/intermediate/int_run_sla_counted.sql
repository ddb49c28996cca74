with

predictions as (

    select * from {{ ref('fct_predictions') }}

),

runs as (

    select * from {{ ref('int_runs_merged') }}

),

task_versions as (

    select * from {{ ref('stg_landing__task_versions') }}

),

-- The latency of a cached or reused prediction is that of the run that requested it; where an
-- earlier run requested it first, that of the first outcome.
origins as (

    select
        task,
        call_id,
        end_to_end_ms,
    from predictions
    where answer_source = 'wire' and call_id is not null
    qualify
        row_number() over (
            partition by task, call_id
            order by landed_at, prediction_id
        ) = 1

),

timed as (

    select
        predictions.run_id,
        case
            when predictions.first_prediction_id is not null then firsts.end_to_end_ms
            when coalesce(predictions.answer_source, 'wire') in ('wire', 'adopted')
                then predictions.end_to_end_ms
            else origins.end_to_end_ms
        end as latency_ms,
    from predictions
    left join origins
        on
            predictions.task = origins.task
            and predictions.call_id = origins.call_id
    left join predictions as firsts
        on
            predictions.task = firsts.task
            and predictions.first_prediction_id = firsts.prediction_id
    where predictions.first_status != 'skipped_budget'

),

-- A prediction without a latency is not within the SLA; if none has one, nothing was measured.
final as (

    select
        timed.run_id,
        count(*) as n_requested,
        max(task_versions.sla_latency_ms) as sla_latency_ms,
        max(task_versions.sla_share) as sla_share,
        if(
            count(timed.latency_ms) = 0,
            null,
            countif(timed.latency_ms <= task_versions.sla_latency_ms)
        ) as n_within_sla,
    from timed
    inner join runs
        on timed.run_id = runs.run_id
    left join task_versions
        on runs.task_version_id = task_versions.task_version_id
    group by timed.run_id

)

select * from final
