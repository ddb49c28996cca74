with

predictions as (

    select * from {{ ref('int_prediction_call_times') }}

),

responses as (

    select * from {{ ref('fct_responses') }}
    where latency_ms is not null and purpose not in ('embedding', 'judge')

),

runs as (

    select * from {{ ref('int_runs_built') }}

),

sla as (

    select * from {{ ref('int_run_sla_counted') }}

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
        run_id,
        count(*) as n_wire_answers,
        max(p50_ms) as end_to_end_p50_ms,
        max(p90_ms) as end_to_end_p90_ms,
        max(p99_ms) as end_to_end_p99_ms,
    from prediction_percentiles
    group by run_id

),

final as (

    select
        runs.run_id,
        runs.task,
        runs.data_date,
        runs.variant,
        runs.stage,
        runs.run_status,
        coalesce(online.n_wire_answers, 0) as n_wire_answers,
        online.end_to_end_p50_ms,
        online.end_to_end_p90_ms,
        online.end_to_end_p99_ms,
        coalesce(calls.n_timed_calls, 0) as n_timed_calls,
        calls.call_latency_p50_ms,
        calls.call_latency_p90_ms,
        calls.call_latency_p99_ms,
        sla.n_requested,
        sla.sla_latency_ms,
        sla.sla_share,
        if(sla.sla_latency_ms is null, null, sla.n_within_sla / sla.n_requested)
            as share_within_sla,
        if(sla.sla_latency_ms is null, null, sla.n_within_sla / sla.n_requested)
        >= sla.sla_share as meets_sla,
    from sla
    inner join runs
        on sla.run_id = runs.run_id
    left join online
        on sla.run_id = online.run_id
    left join calls
        on sla.run_id = calls.run_id

)

select * from final
