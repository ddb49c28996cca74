with

predictions as (

    select * from {{ ref('int_prediction_call_times') }}

),

responses as (

    select * from {{ ref('fct_responses') }}
    where latency_ms is not null and purpose not in ('embedding', 'judge')

),

runs as (

    select * from {{ ref('int_runs_merged') }}

),

task_versions as (

    select * from {{ ref('stg_landing__task_versions') }}

),

-- Percentiles are exact: approximate ones differ between engines.
prediction_percentiles as (

    select
        run_id,
        end_to_end_ms,
        percentile_cont(end_to_end_ms, 0.5) over (partition by run_id) as p50_ms,
        percentile_cont(end_to_end_ms, 0.9) over (partition by run_id) as p90_ms,
        percentile_cont(end_to_end_ms, 0.99) over (partition by run_id) as p99_ms,
    from predictions

),

call_percentiles as (

    select
        run_id,
        percentile_cont(latency_ms, 0.5) over (partition by run_id) as p50_ms,
        percentile_cont(latency_ms, 0.9) over (partition by run_id) as p90_ms,
        percentile_cont(latency_ms, 0.99) over (partition by run_id) as p99_ms,
    from responses

),

calls as (

    select
        run_id,
        count(*) as n_timed_calls,
        max(p50_ms) as call_latency_p50_ms,
        max(p90_ms) as call_latency_p90_ms,
        max(p99_ms) as call_latency_p99_ms,
    from call_percentiles
    group by run_id

),

online as (

    select
        prediction_percentiles.run_id,
        count(*) as n_wire_answers,
        max(prediction_percentiles.p50_ms) as end_to_end_p50_ms,
        max(prediction_percentiles.p90_ms) as end_to_end_p90_ms,
        max(prediction_percentiles.p99_ms) as end_to_end_p99_ms,
        max(task_versions.sla_latency_ms) as sla_latency_ms,
        max(task_versions.sla_share) as sla_share,
        countif(prediction_percentiles.end_to_end_ms <= task_versions.sla_latency_ms)
            as n_within_sla,
    from prediction_percentiles
    inner join runs
        on prediction_percentiles.run_id = runs.run_id
    left join task_versions
        on runs.task_version_id = task_versions.task_version_id
    group by prediction_percentiles.run_id

),

final as (

    select
        runs.run_id,
        runs.task,
        runs.data_date,
        runs.variant,
        runs.stage,
        runs.run_status,
        online.n_wire_answers,
        online.end_to_end_p50_ms,
        online.end_to_end_p90_ms,
        online.end_to_end_p99_ms,
        coalesce(calls.n_timed_calls, 0) as n_timed_calls,
        calls.call_latency_p50_ms,
        calls.call_latency_p90_ms,
        calls.call_latency_p99_ms,
        online.sla_latency_ms,
        online.sla_share,
        if(online.sla_latency_ms is null, null, online.n_within_sla / online.n_wire_answers)
            as share_within_sla,
        if(online.sla_latency_ms is null, null, online.n_within_sla / online.n_wire_answers)
        >= online.sla_share as meets_sla,
    from online
    inner join runs
        on online.run_id = runs.run_id
    left join calls
        on online.run_id = calls.run_id

)

select * from final
