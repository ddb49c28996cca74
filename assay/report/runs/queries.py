"""SQL statement of the list of runs, on the landing tables: it shows runs that the marts do not contain yet."""

from __future__ import annotations

from assay.warehouse.call_costs import CALL_SUMS, RUN_COSTS, landed_calls
from assay.warehouse.statement import COMPLETED, Statement, first_landed, last_landed, over

LISTED_RUNS = Statement(
    over(
        last_landed("events", "run_id, event", "select * from runs where @task = '' or task = @task", prefer=COMPLETED),
        """
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
    )""",
        first_landed(
            "answers",
            "prediction_id",
            """
        select * from predictions
        where run_id in (select run_id from listed) and data_date in (select data_date from listed)
            """,
        ),
        landed_calls("run_id in (select run_id from listed) and data_date in (select data_date from listed)"),
        CALL_SUMS,
        RUN_COSTS,
        then=""",

    counted as (
        select
            run_id,
            count(*) as predictions,
            countif(status in ('ok', 'repaired')) as answered,
            countif(status = 'skipped_budget') as skipped,
            countif(answer_source = 'adopted') as adopted
        from answers
        group by run_id
    )

    select
        listed.*,
        coalesce(counted.predictions, 0) as predictions,
        coalesce(counted.answered, 0) as answered,
        coalesce(counted.skipped, 0) as skipped,
        coalesce(counted.adopted, 0) as adopted,
        coalesce(call_sums.calls, 0) as calls,
        coalesce(call_sums.judge_calls, 0) as judge_calls,
        if(run_costs.run_id is null, 0, run_costs.cost_usd) as cost_usd,
        if(run_costs.run_id is null, 0, run_costs.judge_cost_usd) as judge_cost_usd,
        if(run_costs.run_id is null, 0, run_costs.total_cost_usd) as total_cost_usd
    from listed
    left join counted
        on listed.run_id = counted.run_id
    left join call_sums
        on listed.run_id = call_sums.run_id
    left join run_costs
        on listed.run_id = run_costs.run_id
    order by listed.started_at desc, listed.run_id
    """,
    ),
    (("task", "STRING"),),
)
