"""SQL statements about one run: its start, counts, totals, versions and predictions."""

from __future__ import annotations

from assay.warehouse.call_costs import CALL_SUMS, RUN_COSTS, landed_calls
from assay.warehouse.statement import Statement, first_landed, over

RUN_STARTED = Statement(
    """
    select *
    from runs
    where run_id = @run_id and event = 'started'
    order by landed_at desc
    limit 1
    """,
    (("run_id", "STRING"),),
)

RUN_COMPLETED = Statement(
    """
    select count(*) as found
    from runs
    where run_id = @run_id and data_date = @data_date and event = 'finished' and status = 'completed'
    """,
    (("run_id", "STRING"), ("data_date", "DATE")),
)

KNOWN_TASK_VERSION = Statement(
    """
    select count(*) as found
    from task_versions
    where task = @task and task_version_id = @version
    """,
    (("task", "STRING"), ("version", "STRING")),
)

KNOWN_GOLDEN_SET = Statement(
    """
    select count(*) as found
    from golden_cases
    where task = @task and golden_set_version = @version
    """,
    (("task", "STRING"), ("version", "STRING")),
)

PREDICTIONS_TO_SCORE = Statement(
    """
    select
        records.position as position,
        predictions.prediction_id as prediction_id,
        predictions.request_key as request_key,
        predictions.record_id as record_id,
        predictions.epoch as epoch,
        predictions.status as status,
        predictions.first_status as first_status,
        predictions.output as output,
        predictions.tenant_id as tenant_id,
        predictions.subject_key as subject_key
    from predictions
    inner join records
        on predictions.run_id = records.run_id and predictions.record_id = records.record_id
    where predictions.run_id = @run_id and predictions.data_date = @data_date and records.data_date = @data_date
    qualify row_number() over (
        partition by predictions.prediction_id
        order by predictions.landed_at asc, records.landed_at asc
    ) = 1
    order by position, epoch
    """,
    (("run_id", "STRING"), ("data_date", "DATE")),
)

RUN_COUNTS = Statement(
    """
    select
        (select count(distinct record_id) from records where run_id = @run_id and data_date = @data_date) as records,
        (select count(distinct position) from rejected_records where run_id = @run_id and data_date = @data_date) as rejected,
        (select count(distinct prediction_id) from predictions where run_id = @run_id and data_date = @data_date) as predictions,
        (
            select count(distinct call_id)
            from responses
            where run_id = @run_id and data_date = @data_date and purpose != 'judge'
        ) as calls
    """,
    (("run_id", "STRING"), ("data_date", "DATE")),
)

RUN_TOTALS = Statement(
    over(
        first_landed(
            "answers", "prediction_id", "select * from predictions where run_id = @run_id and data_date = @data_date"
        ),
        landed_calls("run_id = @run_id and data_date = @data_date"),
        CALL_SUMS,
        RUN_COSTS,
        then=""",

    tokens as (
        select
            coalesce(sum(if(purpose = 'judge', 0, input_tokens)), 0) as input_tokens,
            coalesce(sum(if(purpose = 'judge', 0, output_tokens)), 0) as output_tokens
        from calls
    )

    select
        coalesce(call_sums.calls, 0) as calls,
        coalesce(call_sums.judge_calls, 0) as judge_calls,
        coalesce(call_sums.n_unpriced_calls, 0) as unpriced_calls,
        coalesce(call_sums.n_billing_unknown_calls, 0) as unknown_billing_calls,
        tokens.input_tokens as input_tokens,
        tokens.output_tokens as output_tokens,
        if(run_costs.run_id is null, 0, run_costs.cost_usd) as cost_usd,
        if(run_costs.run_id is null, 0, run_costs.judge_cost_usd) as judge_cost_usd,
        if(run_costs.run_id is null, 0, run_costs.total_cost_usd) as total_cost_usd
    from tokens
    left join call_sums
        on true
    left join run_costs
        on true
    """,
    ),
    (("run_id", "STRING"), ("data_date", "DATE")),
)

PREDICTION_STATUSES = Statement(
    """
    select status, coalesce(answer_source, 'none') as answer_source, coalesce(error_type, 'none') as error_type, count(*) as predictions
    from (
        select distinct prediction_id, status, answer_source, error_type
        from predictions
        where run_id = @run_id and data_date = @data_date
    )
    group by status, answer_source, error_type
    order by predictions desc, status, answer_source, error_type
    """,
    (("run_id", "STRING"), ("data_date", "DATE")),
)

_SHARD = (("shard", "INT64"), ("shards", "INT64"))
_IN_SHARD = """
    run_id = @run_id
    and data_date = @data_date
    and mod(cast(concat('0x', substr(to_hex(sha256(coalesce(conversation_key, record_id))), 1, 15)) as int64), @shards) = @shard
"""

SHARD_COUNTS = Statement(
    "select (select count(distinct record_id) from records where"  # noqa: S608 - constants of this file
    + _IN_SHARD
    + ") as records, (select count(distinct prediction_id) from predictions where run_id = @run_id"
    + " and data_date = @data_date and record_id in (select record_id from records where"
    + _IN_SHARD
    + ")) as predictions",
    (("run_id", "STRING"), ("data_date", "DATE"), *_SHARD),
)
