with

batches as (

    select * from {{ ref('stg_landing__batches') }}

),

ranked as (

    select
        *,
        case state
            when 'intent' then 1
            when 'submitted' then 2
            when 'finished' then 3
            when 'landed' then 4
            when 'abandoned' then 5
        end as state_rank,
        min(occurred_at) over (partition by chunk_hash) as intended_at,
    from batches

),

-- The row of each state repeats the columns of the earlier states, so the last row suffices.
latest_states as (

    select *
    from ranked
    where true
    qualify row_number() over (partition by chunk_hash order by state_rank desc) = 1

),

final as (

    select
        chunk_hash,
        run_id,
        task,
        data_date,
        provider,
        state,
        state in ('intent', 'submitted', 'finished') as is_open,
        coalesce(provider_status != 'completed', false) as is_cut_short,
        requests,
        lines_answered,
        lines_failed,
        lines_missing,
        estimate_usd,
        intended_at,
        submitted_at,
        finished_at,
        if(state = 'landed', occurred_at, null) as batch_landed_at,
        timestamp_diff(finished_at, submitted_at, millisecond) as turnaround_ms,
    from latest_states

)

select * from final
