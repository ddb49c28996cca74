with

entries as (

    select * from {{ ref('stg_landing__budget_entries') }}

),

-- Caps may change within a month, and are NULL where another worker settled the lease.
final as (

    select
        lease_id,
        month,
        run_id,
        task,
        max(occurred_at) as last_entry_at,
        sum(if(event = 'reserve', amount_usd, 0)) as reserved_usd,
        max(if(event = 'settle', amount_usd, null)) as settled_usd,
        countif(event = 'settle') > 0 as is_settled,
        countif(event = 'settle' and is_expired) > 0 as is_expired,
        max(run_cap_usd) as run_cap_usd,
        max(task_cap_usd) as task_cap_usd,
        max(month_cap_usd) as month_cap_usd,
    from entries
    group by lease_id, month, run_id, task

)

select * from final
