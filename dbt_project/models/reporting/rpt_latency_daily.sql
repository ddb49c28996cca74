with

responses as (

    select * from {{ ref('fct_responses') }}
    where purpose not in ('embedding', 'judge')

),

-- A wire answer belongs to the route and model of the call whose answer was used.
answers as (

    select * from {{ ref('int_prediction_call_times') }}
    where request_model is not null

),

answer_percentiles as (

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
    from answers

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

answered as (

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
    from answer_percentiles
    group by data_date, task, route, provider, request_model

),

called as (

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
        called.*,
        coalesce(answered.n_wire_answers, 0) as n_wire_answers,
        answered.end_to_end_p50_ms,
        answered.end_to_end_p90_ms,
        answered.end_to_end_p99_ms,
    from called
    left join answered
        on
            called.data_date = answered.data_date
            and called.task = answered.task
            and called.route = answered.route
            and called.provider = answered.provider
            and called.request_model = answered.request_model

)

select * from final
