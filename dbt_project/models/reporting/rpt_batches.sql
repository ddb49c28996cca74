with

batches as (

    select * from {{ ref('int_batches_latest_state') }}

),

responses as (

    select * from {{ ref('fct_responses') }}
    where is_batch

),

counted as (

    select
        run_id,
        provider,
        max(task) as task,
        max(data_date) as data_date,
        count(*) as n_batches,
        countif(state = 'intent') as n_intended,
        countif(state = 'submitted') as n_submitted,
        countif(state = 'finished') as n_finished,
        countif(state = 'landed') as n_landed,
        countif(state = 'abandoned') as n_abandoned,
        countif(is_cut_short) as n_cut_short,
        sum(if(state = 'abandoned', 0, requests)) as n_requests,
        sum(if(is_open, requests, 0)) as n_open_requests,
        sum(if(state = 'landed', lines_answered, 0)) as n_lines_answered,
        sum(if(state = 'landed', lines_failed, 0)) as n_lines_failed,
        sum(if(state = 'landed', lines_missing, 0)) as n_lines_missing,
        if(
            countif(is_open and estimate_usd is null) = 0,
            sum(if(is_open, estimate_usd, 0)),
            null
        ) as open_estimate_usd,
        min(submitted_at) as first_submitted_at,
        max(batch_landed_at) as last_landed_at,
        min(if(is_open, intended_at, null)) as oldest_open_at,
        max(turnaround_ms) as longest_turnaround_ms,
    from batches
    group by run_id, provider

),

-- Calls made through the batch only: requests it did not complete are sent online.
batch_calls as (

    select
        run_id,
        provider,
        count(*) as calls,
        countif(is_unpriced) as n_unpriced_calls,
        if(countif(is_unpriced) = 0, sum(coalesce(cost_usd, 0)), null) as cost_usd,
    from responses
    group by run_id, provider

),

-- A landed batch without a call is not free: the marts do not have its calls yet.
final as (

    select
        counted.*,
        timestamp_diff(current_timestamp(), counted.oldest_open_at, millisecond)
            as oldest_open_age_ms,
        coalesce(batch_calls.calls, if(counted.n_lines_answered > 0, null, 0)) as calls,
        coalesce(batch_calls.n_unpriced_calls, if(counted.n_lines_answered > 0, null, 0))
            as n_unpriced_calls,
        case
            when batch_calls.run_id is not null then batch_calls.cost_usd
            when counted.n_lines_answered = 0 then 0
        end as cost_usd,
    from counted
    left join batch_calls
        on counted.run_id = batch_calls.run_id and counted.provider = batch_calls.provider

)

select * from final
