"""Statements about turns of conversations: what is answered, what may be reused, what was said before.

The other statements of the engine are in `statements.py`; tests hold these to the same.
"""

from __future__ import annotations

from assay.warehouse.statements import Statement

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

REUSABLE_TURNS = Statement(
    """
    select
        answers.request_key as request_key,
        answers.output as output,
        answers.status as status,
        answers.route as route,
        answers.call_id as call_id
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
        and answers.status in ('ok', 'repaired')
        and answers.answer_source = 'wire'
        and answers.finished_at >= @since
    qualify row_number() over (
        partition by answers.request_key
        order by answers.finished_at desc, answers.prediction_id asc, answers.landed_at asc
    ) = 1
    """,
    (
        ("run_id", "STRING"),
        ("data_date", "DATE"),
        ("task", "STRING"),
        ("inference_version", "STRING"),
        ("since", "TIMESTAMP"),
    ),
)

EARLIER_TURNS = Statement(
    """
    with asked as (
        select conversation_key, min(turn) as first_turn, max(turn) as last_turn
        from records
        where run_id = @run_id and data_date = @data_date and conversation_key is not null
        group by conversation_key
    ),

    said as (
        select
            records.conversation_key as conversation_key,
            predictions.epoch as epoch,
            records.turn as turn,
            records.turn < asked.first_turn as is_before_the_run,
            records.input as input,
            predictions.output as output,
            predictions.finished_at as finished_at
        from asked
        inner join records
            on asked.conversation_key = records.conversation_key
        inner join predictions
            on records.run_id = predictions.run_id and records.record_id = predictions.record_id
        where
            records.task = @task
            and records.run_id != @run_id
            and records.turn < asked.last_turn
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
    from said
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
