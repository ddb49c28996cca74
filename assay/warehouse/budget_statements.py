"""Statements about money: what was spent, what is lent and out, and what a run's requests may cost.

The other statements of the engine are in `statements.py`; tests hold these to the same.
"""

from __future__ import annotations

from assay.warehouse.statements import Statement

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

KNOWN_REQUESTS = Statement(
    """
    select distinct request_key
    from predictions
    where
        task = @task
        and request_key in unnest(@request_keys)
        and (run_id = @run_id or (status in ('ok', 'repaired') and answer_source = 'wire' and finished_at >= @since))
    """,
    (("task", "STRING"), ("request_keys", "ARRAY<STRING>"), ("run_id", "STRING"), ("since", "TIMESTAMP")),
)

REQUESTS_KNOWN_OF_RUN = Statement(
    """
    with inputs as (
        select distinct record_id, input_hash, tenant_id
        from records
        where run_id = @run_id and data_date = @data_date
    ),

    answered as (
        select distinct record_id, epoch
        from predictions
        where run_id = @run_id and data_date = @data_date
    ),

    reusable as (
        select distinct record_id, input_hash, tenant_id, epoch
        from predictions
        where
            task = @task
            and inference_version = @inference_version
            and epoch < @epochs
            and status in ('ok', 'repaired')
            and answer_source = 'wire'
            and finished_at >= @since
    )

    select
        (select count(*) from inputs) as records,
        (select count(*) from answered) as answered,
        (
            select count(*)
            from inputs
            inner join reusable
                on
                    inputs.record_id = reusable.record_id
                    and inputs.input_hash = reusable.input_hash
                    and inputs.tenant_id = reusable.tenant_id
            left join answered
                on reusable.record_id = answered.record_id and reusable.epoch = answered.epoch
            where answered.record_id is null
        ) as reusable
    """,
    (
        ("run_id", "STRING"),
        ("data_date", "DATE"),
        ("task", "STRING"),
        ("inference_version", "STRING"),
        ("epochs", "INT64"),
        ("since", "TIMESTAMP"),
    ),
)

LATEST_ASKED = Statement(
    """
    select run_id, data_date
    from runs
    where task = @task and inference_version = @inference_version and event = 'finished' and calls > 0
    order by if(run_id = @run_id, 0, 1), occurred_at desc
    limit 1
    """,
    (("task", "STRING"), ("inference_version", "STRING"), ("run_id", "STRING")),
)

PAST_CALLS = Statement(
    """
    with calls as (
        select *
        from responses
        where run_id = @run_id and data_date = @data_date and purpose in ('answer', 'repair')
        qualify row_number() over (partition by call_id order by landed_at) = 1
    ),

    sampled as (
        select request_key
        from calls
        group by request_key
        order by to_hex(md5(request_key))
        limit 500
    ),

    sizes as (
        select call_id, max(byte_length(to_json_string(messages))) as message_bytes
        from contents
        where run_id = @run_id and data_date = @data_date and request_key in (select request_key from sampled)
        group by call_id
    )

    select
        calls.request_key as request_key,
        calls.attempt as attempt,
        calls.provider as provider,
        calls.request_model as request_model,
        calls.route as route,
        calls.service_tier as service_tier,
        calls.is_batch as is_batch,
        calls.input_tokens as input_tokens,
        calls.output_tokens as output_tokens,
        calls.uncached_input_tokens as uncached_input_tokens,
        calls.cached_input_tokens as cached_input_tokens,
        calls.cache_write_tokens as cache_write_tokens,
        calls.answer_tokens as answer_tokens,
        calls.reasoning_tokens as reasoning_tokens,
        coalesce(calls.cost_usd, calls.cost_upper_usd) as cost_usd,
        sizes.message_bytes as message_bytes
    from calls
    left join sizes
        on calls.call_id = sizes.call_id
    where calls.request_key in (select request_key from sampled)
    order by request_key, attempt
    """,
    (("run_id", "STRING"), ("data_date", "DATE")),
)
