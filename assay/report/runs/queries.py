"""SQL statement of the list of runs, on the landing tables: it shows runs that the marts do not contain yet."""

from __future__ import annotations

from assay.warehouse.statement import Statement

LISTED_RUNS = Statement(
    """
    with events as (
        select *
        from runs
        where @task = '' or task = @task
        qualify row_number() over (partition by run_id, event order by landed_at desc) = 1
    ),

    listed as (
        select
            run_id,
            max(task) as task,
            max(data_date) as data_date,
            max(variant) as variant,
            max(stage) as stage,
            max(purpose) as purpose,
            max(input_source) as input_source,
            coalesce(max(if(event = 'finished', status, null)), 'running') as status,
            min(occurred_at) as started_at,
            max(if(event = 'finished', occurred_at, null)) as finished_at,
            max(cast(json_value(config, '$.limit') as int64)) as row_limit,
            max(rows_read) as rows_read,
            max(rows_rejected) as rows_rejected,
            max(records) as records,
            max(expected_predictions) as expected_predictions
        from events
        group by run_id
        order by started_at desc, run_id
        limit 1000
    ),

    answers as (
        select
            run_id,
            count(distinct prediction_id) as predictions,
            count(distinct if(status in ('ok', 'repaired'), prediction_id, null)) as answered,
            count(distinct if(status = 'skipped_budget', prediction_id, null)) as skipped
        from predictions
        where run_id in (select run_id from listed) and data_date in (select data_date from listed)
        group by run_id
    ),

    calls as (
        select distinct run_id, call_id, cost_usd, billing
        from responses
        where run_id in (select run_id from listed) and data_date in (select data_date from listed)
    ),

    costs as (
        select
            run_id,
            count(*) as calls,
            countif(cost_usd is null and billing = 'known') as unpriced_calls,
            sum(cost_usd) as cost_usd
        from calls
        group by run_id
    )

    select
        listed.*,
        coalesce(answers.predictions, 0) as predictions,
        coalesce(answers.answered, 0) as answered,
        coalesce(answers.skipped, 0) as skipped,
        coalesce(costs.calls, 0) as calls,
        if(coalesce(costs.unpriced_calls, 0) = 0, coalesce(costs.cost_usd, 0), null) as cost_usd
    from listed
    left join answers
        on listed.run_id = answers.run_id
    left join costs
        on listed.run_id = costs.run_id
    order by listed.started_at desc, listed.run_id
    """,
    (("task", "STRING"),),
)
