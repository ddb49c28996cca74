"""SQL statements of the request stage: outcomes of earlier runs, shards, conversations, cache entries, budget."""

from __future__ import annotations

from assay.runs.queries import _IN_SHARD, _SHARD
from assay.warehouse.statement import Statement

ANSWERED_IN_RUN = Statement(
    """
    select distinct
        records.position as position,
        predictions.epoch as epoch
    from records
    inner join predictions
        on records.run_id = predictions.run_id and records.record_id = predictions.record_id
    where records.run_id = @run_id and records.data_date = @data_date and predictions.data_date = @data_date
    order by position, epoch
    """,
    (("run_id", "STRING"), ("data_date", "DATE")),
)

_ORDERED = "order by position, epoch"


_OF_EARLIER_OUTCOMES = """
        answers.output as output,
        answers.status as status,
        answers.route as route,
        answers.call_id as call_id,
        answers.status in unnest(@answer_statuses) as is_answered,
        coalesce(answers.first_prediction_id, answers.prediction_id) as first_prediction_id,
        coalesce(answers.first_status, answers.status) as first_status,
        coalesce(answers.first_finished_at, answers.finished_at) as first_finished_at
    from records
    inner join predictions as answers
        on
            records.task = answers.task
            and records.record_id = answers.record_id
            and records.input_hash = answers.input_hash
            and records.tenant_id = answers.tenant_id
    where
        records.run_id = @run_id
        and records.data_date = @data_date
        and answers.task = @task
        and answers.inference_version = @inference_version
        and answers.run_id != @run_id
        and answers.status != 'skipped_budget'
        and coalesce(answers.answer_source, 'wire') = 'wire'
        and coalesce(answers.first_finished_at, answers.finished_at) >= @since
    qualify row_number() over (
        partition by """
_LATEST_REQUEST = """
        order by
            coalesce(answers.first_finished_at, answers.finished_at) desc,
            coalesce(answers.first_prediction_id, answers.prediction_id) asc,
            if(answers.status in unnest(@answer_statuses), 0, 1) asc,
            answers.finished_at desc,
            answers.prediction_id asc,
            answers.landed_at asc
    ) = 1
    """


def _earlier_outcomes(key: str, *, partition: str, ordered: str = "") -> Statement:
    """Returns the statement that reads, for each key, the latest request that was made anew within the lookback.

    Whatever came of it is its first outcome; the other columns are those of what was delivered for it.
    """
    sql = "select " + key + _OF_EARLIER_OUTCOMES + partition + _LATEST_REQUEST + ordered
    return Statement(
        sql,
        (
            ("run_id", "STRING"),
            ("data_date", "DATE"),
            ("task", "STRING"),
            ("inference_version", "STRING"),
            ("since", "TIMESTAMP"),
            ("answer_statuses", "ARRAY<STRING>"),
        ),
    )


EARLIER_OUTCOMES = _earlier_outcomes(
    "records.position as position, answers.epoch as epoch,",
    partition="records.position, answers.epoch",
    ordered=_ORDERED,
)
EARLIER_OUTCOMES_OF_TURNS = _earlier_outcomes("answers.request_key as request_key,", partition="answers.request_key")


def _narrowed(whole: Statement) -> Statement:
    """Returns the statement limited to the shard's records."""
    answers = whole.sql.rstrip().removesuffix(_ORDERED)
    positions = "select position from records where" + _IN_SHARD  # noqa: S608 - constants of this file
    sql = "with answers as (" + answers + ") select * from answers where position in (" + positions + ") " + _ORDERED  # noqa: S608 - statements of this file
    return Statement(sql, (*whole.parameters, *_SHARD))


ANSWERED_IN_SHARD = _narrowed(ANSWERED_IN_RUN)
EARLIER_IN_SHARD = _narrowed(EARLIER_OUTCOMES)

ANSWERED_TURNS = Statement(
    """
    select
        records.position as position,
        predictions.epoch as epoch,
        predictions.output as output,
        predictions.finished_at as finished_at
    from records
    inner join predictions
        on records.run_id = predictions.run_id and records.record_id = predictions.record_id
    where records.run_id = @run_id and records.data_date = @data_date and predictions.data_date = @data_date
    qualify row_number() over (
        partition by records.position, predictions.epoch
        order by predictions.landed_at asc, records.landed_at asc
    ) = 1
    """,
    (("run_id", "STRING"), ("data_date", "DATE")),
)

EARLIER_TURNS = Statement(
    """
    with conversations as (
        select conversation_key, min(turn) as first_turn, max(turn) as last_turn
        from records
        where run_id = @run_id and data_date = @data_date and conversation_key is not null
        group by conversation_key
    ),

    earlier_turns as (
        select
            records.conversation_key as conversation_key,
            predictions.epoch as epoch,
            records.turn as turn,
            records.turn < conversations.first_turn as is_before_the_run,
            records.input as input,
            predictions.output as output,
            predictions.finished_at as finished_at
        from conversations
        inner join records
            on conversations.conversation_key = records.conversation_key
        inner join predictions
            on records.run_id = predictions.run_id and records.record_id = predictions.record_id
        where
            records.task = @task
            and records.run_id != @run_id
            and records.turn < conversations.last_turn
            and predictions.inference_version = @inference_version
            and predictions.output is not null
            and predictions.finished_at >= @since
            and records.run_id in (
                select run_id from runs where task = @task and event = 'started' and purpose = 'score'
            )
        qualify row_number() over (
            partition by records.conversation_key, predictions.epoch, records.turn
            order by predictions.finished_at desc, predictions.prediction_id asc, records.landed_at asc
        ) = 1
    )

    select conversation_key, epoch, turn, input, output, finished_at
    from earlier_turns
    where true
    qualify
        not is_before_the_run
        or row_number() over (
            partition by conversation_key, epoch, is_before_the_run
            order by turn desc
        ) <= @keep
    """,
    (
        ("run_id", "STRING"),
        ("data_date", "DATE"),
        ("task", "STRING"),
        ("inference_version", "STRING"),
        ("since", "TIMESTAMP"),
        ("keep", "INT64"),
    ),
)

SEMANTIC_ENTRIES = Statement(
    """
    select *
    from (
        select * except (landed_at, row_hash)
        from semantic_cache
        where
            task = @task
            and inference_version = @inference_version
            and embedding_provider = @embedding_provider
            and embedding_model = @embedding_model
            and expires_at > @now
        qualify row_number() over (partition by entry_id order by landed_at desc) = 1
        order by occurred_at desc
        limit 50000
    )
    order by occurred_at
    """,
    (
        ("task", "STRING"),
        ("inference_version", "STRING"),
        ("embedding_provider", "STRING"),
        ("embedding_model", "STRING"),
        ("now", "TIMESTAMP"),
    ),
)

RUN_SPENT = Statement(
    """
    select coalesce(sum(coalesce(cost_usd, cost_upper_usd)), 0) as spent_usd
    from (select distinct call_id, cost_usd, cost_upper_usd from responses where run_id = @run_id and data_date = @data_date)
    """,
    (("run_id", "STRING"), ("data_date", "DATE")),
)

MONTH_SPENT = Statement(
    """
    select
        coalesce(sum(if(task = @task, coalesce(cost_usd, cost_upper_usd), 0)), 0) as task_usd,
        coalesce(sum(coalesce(cost_usd, cost_upper_usd)), 0) as month_usd
    from (
        select distinct call_id, task, cost_usd, cost_upper_usd
        from responses
        where started_at >= @month_begins and started_at < @month_ends
    )
    """,
    (("task", "STRING"), ("month_begins", "TIMESTAMP"), ("month_ends", "TIMESTAMP")),
)

OPEN_LEASES = Statement(
    """
    with entries as (
        select distinct lease_id, run_id, task, data_date, event, sequence, amount_usd
        from budget_entries
        where month = @month
    ),

    leases as (
        select lease_id, run_id, task, data_date, sum(amount_usd) as lent_usd
        from entries
        group by lease_id, run_id, task, data_date
        having countif(event = 'settle') = 0
    ),

    calls as (
        select distinct call_id, run_id, cost_usd, cost_upper_usd
        from responses
        where run_id in (select run_id from leases)
    ),

    paid as (
        select run_id, sum(coalesce(cost_usd, cost_upper_usd)) as landed_usd
        from calls
        group by run_id
    )

    select
        leases.lease_id as lease_id,
        leases.run_id as run_id,
        leases.task as task,
        leases.data_date as data_date,
        leases.lent_usd as lent_usd,
        coalesce(paid.landed_usd, 0) as landed_usd
    from leases
    left join paid
        on leases.run_id = paid.run_id
    order by lease_id
    """,
    (("month", "DATE"),),
)

OPEN_BATCHES = Statement(
    """
    select
        chunk_hash as lease_id,
        any_value(run_id) as run_id,
        any_value(task) as task,
        any_value(data_date) as data_date,
        max(estimate_usd) as estimate_usd
    from batches
    where estimate_usd is not null
    group by chunk_hash
    having
        countif(state in ('landed', 'abandoned')) = 0
        and date_trunc(date(min(occurred_at)), month) = @month
    order by lease_id
    """,
    (("month", "DATE"),),
)
