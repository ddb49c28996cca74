"""Statements that select the run of a scorecard, and count what it read, requested and landed."""

from __future__ import annotations

from assay.report.queries.expressions import OF_RUN, OF_VERSION, PREDICTIONS, VERSION
from assay.warehouse.statement import COMPLETED, Statement, joined, last_landed, over

_COMPLETED = joined(
    last_landed("events", "run_id, event", "select * from runs where task = @task", prefer=COMPLETED),
    """
    finished as (
        select * from events
        where event = 'finished'
    ),

    started as (
        select * from events
        where event = 'started'
    ),

    -- As `int_runs_merged`, of completed runs: these have a finished row.
    merged as (
        select
            finished.run_id as run_id,
            finished.data_date as data_date,
            finished.variant as variant,
            finished.stage as stage,
            finished.purpose as purpose,
            finished.inference_version as inference_version,
            finished.golden_set_version as golden_set_version,
            finished.task_version_id as task_version_id,
            finished.status as run_status,
            finished.epochs as epochs,
            finished.occurred_at as run_finished_at,
            coalesce(finished.rows_read, started.rows_read) as rows_read,
            coalesce(finished.rows_rejected, started.rows_rejected) as rows_rejected,
            coalesce(finished.records, started.records) as records,
            coalesce(finished.expected_predictions, started.expected_predictions) as expected_predictions,
            coalesce(finished.calls, started.calls) as calls,
            coalesce(finished.input_source, started.input_source) as input_source,
            cast(
                coalesce(json_value(finished.config, '$.limit'), json_value(started.config, '$.limit')) as int64
            ) as row_limit
        from finished
        left join started
            on finished.run_id = started.run_id
        where finished.status = 'completed'
    ),

    -- With a limit of more rows than the input has, every row was read.
    completed as (
        select *, coalesce(row_limit <= coalesce(rows_read, row_limit), false) as is_limited
        from merged
    )""",
)

COMPLETED_RUNS = Statement(
    over(
        _COMPLETED,
        then="""
    , days as (
        select min(data_date) as first_day, max(data_date) as last_day
        from runs
    )

    select
        completed.*,
        days.first_day as first_day,
        days.last_day as last_day
    from completed
    cross join days
    where
        (completed.run_id = @run_id or (@run_id = '' and completed.purpose != 'perturb'))
        and (@variant = '' or completed.variant = @variant)
        and (@day = '' or cast(completed.data_date as string) = @day)
    order by if(completed.variant = 'default', 0, 1) asc, completed.run_finished_at desc
    limit 200
    """,
    ),
    (("task", "STRING"), ("run_id", "STRING"), ("variant", "STRING"), ("day", "STRING")),
)
"""Completed runs, with those of the variant `default` and then the newest first."""

LAST_CALLING_RUN = Statement(
    over(
        _COMPLETED,
        then="""
    select *
    from completed
    where variant = @variant and stage = @stage and inference_version = @inference_version and calls > 0
        and purpose != 'perturb'
    order by run_finished_at desc
    limit 1
    """,
    ),
    (("task", "STRING"), ("variant", "STRING"), ("stage", "STRING"), ("inference_version", "STRING")),
)

N_SKIPPED = Statement(
    over(
        PREDICTIONS,
        then="""
    select countif(status = 'skipped_budget') as n_skipped
    from answers
    """,
    ),
    OF_RUN,
)

PREDICTION_COUNTS = Statement(
    over(
        VERSION,
        PREDICTIONS,
        then="""
    select
        count(*) as landed_predictions,
        count(distinct concat(record_id, ' ', cast(epoch as string))) as landed_requests,
        countif(status = 'skipped_budget') as n_skipped,
        countif(answer_source = 'reused') as n_reused,
        countif(answer_source in ('exact_cache', 'semantic_cache')) as n_cached,
        countif(answer_source != 'adopted') as n_sourced,
        countif(answer_source = 'wire') as n_wire,
        countif(answer_source = 'exact_cache') as n_exact_cache,
        countif(answer_source = 'semantic_cache') as n_semantic_cache,
        countif(answer_source not in ('wire', 'adopted')) as n_not_wire,
        countif(answer_source = 'adopted') as n_adopted,
        countif(answer_source = 'adopted' and adopted_cost_usd is null) as n_adopted_unpriced,
        sum(adopted_cost_usd) as adopted_cost_usd,
        countif(outcome != 'skipped_budget') as n_requested,
        countif(
            outcome != 'skipped_budget'
            and (first_prediction_id is not null or coalesce(answer_source, 'wire') not in ('wire', 'adopted'))
        ) as n_requested_earlier,
        countif(
            outcome != 'skipped_budget'
            and first_prediction_id is null
            and coalesce(answer_source, 'wire') in ('wire', 'adopted')
            and end_to_end_ms <= version.sla_latency_ms
        ) as n_within_sla,
        countif(outcome != 'skipped_budget' and end_to_end_ms is not null) as n_timed
    from answers
    left join version
        on true
    """,
    ),
    OF_VERSION,
)

ROW_COUNTS = Statement(
    """
    with landed as (
        select count(distinct record_id) as n_records
        from records
        where run_id = @run_id and data_date = @data_date
    ),

    rejected as (
        select count(distinct position) as n_rejected
        from rejected_records
        where run_id = @run_id and data_date = @data_date
    )

    select landed.n_records as landed_records, rejected.n_rejected as landed_rejected
    from landed
    cross join rejected
    """,
    OF_RUN,
)

TASK_VERSION = Statement(
    """
    select
        task_version_id,
        inference_version,
        git_sha,
        code_version,
        to_json_string(templates) as templates,
        to_json_string(routes) as routes,
        sla_latency_ms,
        sla_share
    from task_versions
    where task = @task and task_version_id = @task_version_id
    order by landed_at asc, occurred_at asc, row_hash asc
    limit 1
    """,
    (("task", "STRING"), ("task_version_id", "STRING")),
)
