"""Every statement the engine runs, with the dataset its bare table names belong to.

Tests hold each of them against the GoogleSQL analyzer and the emulator. Statements of the marts are dbt's.
"""

from __future__ import annotations

from dataclasses import dataclass

LANDING, REPORTING, MARTS = "landing", "reporting", "marts"


@dataclass(frozen=True, slots=True)
class Statement:
    """A named statement and its parameters' types."""

    sql: str
    parameters: tuple[tuple[str, str], ...] = ()
    dataset: str = LANDING


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

LATEST_RUN = Statement(
    """
    select run_id, data_date
    from runs
    where task = @task and event = 'finished' and status = 'completed'
    order by occurred_at desc
    limit 1
    """,
    (("task", "STRING"),),
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

REUSABLE_ANSWERS = Statement(
    """
    select
        records.position as position,
        answers.epoch as epoch,
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
        partition by records.position, answers.epoch
        order by answers.finished_at desc, answers.prediction_id asc, answers.landed_at asc
    ) = 1
    order by position, epoch
    """,
    (
        ("run_id", "STRING"),
        ("data_date", "DATE"),
        ("task", "STRING"),
        ("inference_version", "STRING"),
        ("since", "TIMESTAMP"),
    ),
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
    """
    with calls as (
        select distinct call_id, purpose = 'judge' as is_judge, input_tokens, output_tokens, cost_usd, billing
        from responses
        where run_id = @run_id and data_date = @data_date
    )

    select
        countif(not is_judge) as calls,
        coalesce(sum(if(is_judge, 0, input_tokens)), 0) as input_tokens,
        coalesce(sum(if(is_judge, 0, output_tokens)), 0) as output_tokens,
        sum(if(is_judge, null, cost_usd)) as cost_usd,
        countif(not is_judge and cost_usd is null and billing = 'known') as unpriced_calls,
        countif(not is_judge and billing = 'unknown') as unknown_billing_calls,
        countif(is_judge) as judge_calls,
        coalesce(sum(if(is_judge, cost_usd, 0)), 0) as judge_cost_usd,
        countif(is_judge and cost_usd is null and billing = 'known') as unpriced_judge_calls
    from calls
    """,
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

RUN_ESTIMATES = Statement(
    """
    select population, slice, value, low, high, method, n, clusters, effective_n, status, reason
    from estimates
    where
        run_id = @run_id
        and data_date = @data_date
        and evaluation_id = @run_id
        and metric = 'reliability'
        and scorer is null
    qualify row_number() over (
        partition by population, slice
        order by occurred_at desc, landed_at desc
    ) = 1
    order by population, if(slice = 'overall', 0, 1), slice
    """,
    (("run_id", "STRING"), ("data_date", "DATE")),
)

BATCHES_OF_RUN = Statement(
    """
    select *
    from batches
    where run_id = @run_id and data_date = @data_date
    qualify row_number() over (
        partition by chunk_hash, state
        order by landed_at desc, occurred_at desc
    ) = 1
    order by occurred_at, chunk_hash, state
    """,
    (("run_id", "STRING"), ("data_date", "DATE")),
)

REFERENCE_MODEL = Statement(
    """
    select max(reference_model) as reference_model, max(reference_price_source) as reference_price_source
    from responses
    where task = @task and reference_model is not null
    """,
    (("task", "STRING"),),
)

RUN_IN_MARTS = Statement(
    """
    select count(*) as found
    from fct_predictions
    where run_id = @run_id and run_status = 'completed'
    """,
    (("run_id", "STRING"),),
    MARTS,
)

ROUTE_RUN = Statement(
    """
    select run_id, data_date, variant, inference_version
    from runs
    where task = @task and event = 'finished' and status = 'completed' and (run_id = @which or variant = @which)
    order by if(run_id = @which, 0, 1), occurred_at desc
    limit 1
    """,
    (("task", "STRING"), ("which", "STRING")),
)

ROUTE_ANSWERS = Statement(
    """
    with answers as (
        select *
        from predictions
        where run_id = @run_id and data_date = @data_date and epoch = 0
        qualify row_number() over (partition by prediction_id order by landed_at) = 1
    ),

    inputs as (
        select
            record_id,
            any_value(cluster_id) as cluster_id,
            any_value(population) as population,
            logical_or(expected is not null) as is_labelled
        from records
        where run_id = @run_id and data_date = @data_date
        group by record_id
    ),

    calls as (
        select distinct run_id, call_id, request_key, coalesce(cost_usd, cost_upper_usd) as usd
        from responses
        where task = @task
    ),

    paid as (
        select request_key, if(countif(usd is null) = 0, sum(usd), null) as usd
        from calls
        where run_id = @run_id
        group by request_key
    ),

    told as (
        select call_id, any_value(routing) as routing
        from predictions
        where
            task = @task
            and routing is not null
            and call_id in (select call_id from answers where routing is null)
        group by call_id
    )

    select
        answers.prediction_id as prediction_id,
        answers.tenant_id as tenant_id,
        answers.record_id as record_id,
        answers.input_hash as input_hash,
        answers.status as status,
        answers.route as route,
        answers.output as output,
        if(answers.routing is not null, answers.routing, told.routing) as routing,
        inputs.cluster_id as cluster_id,
        inputs.population as population,
        inputs.is_labelled as is_labelled,
        if(paid.request_key is not null, paid.usd, earlier.usd) as cost_usd
    from answers
    inner join inputs
        on answers.record_id = inputs.record_id
    left join paid
        on answers.request_key = paid.request_key
    left join calls as earlier
        on answers.call_id = earlier.call_id
    left join told
        on answers.call_id = told.call_id
    """,
    (("task", "STRING"), ("run_id", "STRING"), ("data_date", "DATE")),
)
