with

responses as (

    select * from {{ ref('fct_responses') }}
    where purpose not in ('embedding', 'judge')

),

-- An online prediction belongs to the route and model of the call whose response was accepted.
online_predictions as (

    select * from {{ ref('int_prediction_call_times') }}
    where request_model is not null

),

prediction_percentiles as (

    select
        *,
        percentile_cont(end_to_end_ms, 0.5) over (
            partition by data_date, task, route, provider, request_model
        ) as p50_ms,
        percentile_cont(end_to_end_ms, 0.9) over (
            partition by data_date, task, route, provider, request_model
        ) as p90_ms,
        percentile_cont(end_to_end_ms, 0.99) over (
            partition by data_date, task, route, provider, request_model
        ) as p99_ms,
    from online_predictions

),

call_percentiles as (

    select
        *,
        percentile_cont(latency_ms, 0.5) over (
            partition by data_date, task, route, provider, request_model
        ) as p50_ms,
        percentile_cont(latency_ms, 0.9) over (
            partition by data_date, task, route, provider, request_model
        ) as p90_ms,
        percentile_cont(latency_ms, 0.99) over (
            partition by data_date, task, route, provider, request_model
        ) as p99_ms,
    from responses

),

prediction_latencies as (

    select
        data_date,
        task,
        route,
        provider,
        request_model,
        count(*) as n_wire_answers,
        max(p50_ms) as end_to_end_p50_ms,
        max(p90_ms) as end_to_end_p90_ms,
        max(p99_ms) as end_to_end_p99_ms,
    from prediction_percentiles
    group by data_date, task, route, provider, request_model

),

call_latencies as (

    select
        data_date,
        task,
        route,
        provider,
        request_model,
        countif(latency_ms is not null) as n_timed_calls,
        max(p50_ms) as call_latency_p50_ms,
        max(p90_ms) as call_latency_p90_ms,
        max(p99_ms) as call_latency_p99_ms,
    from call_percentiles
    group by data_date, task, route, provider, request_model

),

final as (

    select
        call_latencies.*,
        coalesce(prediction_latencies.n_wire_answers, 0) as n_wire_answers,
        prediction_latencies.end_to_end_p50_ms,
        prediction_latencies.end_to_end_p90_ms,
        prediction_latencies.end_to_end_p99_ms,
    from call_latencies
    left join prediction_latencies
        on
            call_latencies.data_date = prediction_latencies.data_date
            and call_latencies.task = prediction_latencies.task
            and call_latencies.route = prediction_latencies.route
            and call_latencies.provider = prediction_latencies.provider
            and call_latencies.request_model = prediction_latencies.request_model

)

select * from final
