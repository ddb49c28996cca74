with

leases as (

    select * from {{ ref('int_leases_settled') }}

),

responses as (

    select * from {{ ref('fct_responses') }}

),

-- Caps from the newest lease that has one; a lease without a cap leaves the earlier value.
task_caps as (

    select
        month,
        task,
        task_cap_usd,
    from leases
    where task_cap_usd is not null
    qualify
        row_number() over (
            partition by month, task
            order by last_entry_at desc, lease_id desc
        ) = 1

),

month_caps as (

    select
        month,
        month_cap_usd,
    from leases
    where month_cap_usd is not null
    qualify
        row_number() over (partition by month order by last_entry_at desc, lease_id desc) = 1

),

reservations as (

    select
        month,
        task,
        count(*) as n_leases,
        countif(not is_settled) as n_open_leases,
        countif(is_expired) as n_expired_leases,
        max(run_cap_usd) as highest_run_cap_usd,
        sum(reserved_usd) as reserved_usd,
        sum(if(is_settled, 0, reserved_usd)) as open_reserved_usd,
        sum(coalesce(settled_usd, 0)) as settled_usd,
    from leases
    group by month, task

),

-- As the caps count: by month of the call, calls of unknown billing at their upper estimate.
spent as (

    select
        date_trunc(date(started_at), month) as month,
        task,
        count(*) as calls,
        countif(is_unpriced) as n_unpriced_calls,
        sum(coalesce(cost_usd, cost_upper_usd, 0)) as spent_usd,
    from responses
    group by date_trunc(date(started_at), month), task

),

-- Settled amounts without a call are not free: the marts do not have their calls yet.
joined as (

    select
        coalesce(spent.month, reservations.month) as month,
        coalesce(spent.task, reservations.task) as task,
        reservations.highest_run_cap_usd,
        coalesce(reservations.n_leases, 0) as n_leases,
        coalesce(reservations.n_open_leases, 0) as n_open_leases,
        coalesce(reservations.n_expired_leases, 0) as n_expired_leases,
        coalesce(reservations.reserved_usd, 0) as reserved_usd,
        coalesce(reservations.open_reserved_usd, 0) as open_reserved_usd,
        coalesce(reservations.settled_usd, 0) as settled_usd,
        coalesce(spent.calls, if(reservations.settled_usd > 0, null, 0)) as calls,
        coalesce(spent.n_unpriced_calls, if(reservations.settled_usd > 0, null, 0))
            as n_unpriced_calls,
        coalesce(spent.spent_usd, if(reservations.settled_usd > 0, null, 0)) as spent_usd,
        sum(coalesce(spent.spent_usd, if(reservations.settled_usd > 0, null, 0))) over (
            partition by coalesce(spent.month, reservations.month)
        ) as month_spent_usd,
    from spent
    full outer join reservations
        on spent.month = reservations.month and spent.task = reservations.task

),

final as (

    select
        joined.*,
        task_caps.task_cap_usd,
        month_caps.month_cap_usd,
        cast(joined.spent_usd / nullif(task_caps.task_cap_usd, 0) as float64) as share_of_task_cap,
        cast(joined.month_spent_usd / nullif(month_caps.month_cap_usd, 0) as float64)
            as share_of_month_cap,
    from joined
    left join task_caps
        on joined.month = task_caps.month and joined.task = task_caps.task
    left join month_caps
        on joined.month = month_caps.month

)

select * from final
