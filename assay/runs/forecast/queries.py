"""SQL statements of the cost forecast: known requests and past calls."""

from __future__ import annotations

from assay.warehouse.statement import Statement

KNOWN_REQUESTS = Statement(
    """
    with earlier as (
        select request_key, status
        from predictions
        where
            task = @task
            and request_key in unnest(@request_keys)
            and run_id != @run_id
            and status != 'skipped_budget'
            and coalesce(answer_source, 'wire') = 'wire'
            and coalesce(first_finished_at, finished_at) >= @since
        qualify row_number() over (
            partition by request_key
            order by coalesce(first_finished_at, finished_at) desc, if(status in unnest(@answer_statuses), 0, 1) asc
        ) = 1
    )

    select request_key
    from predictions
    where task = @task and request_key in unnest(@request_keys) and run_id = @run_id
    union distinct
    select request_key
    from earlier
    where status in unnest(@answer_statuses)
    """,
    (
        ("task", "STRING"),
        ("request_keys", "ARRAY<STRING>"),
        ("run_id", "STRING"),
        ("since", "TIMESTAMP"),
        ("answer_statuses", "ARRAY<STRING>"),
    ),
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

    earlier as (
        select record_id, input_hash, tenant_id, epoch, status
        from predictions
        where
            task = @task
            and inference_version = @inference_version
            and epoch < @epochs
            and run_id != @run_id
            and status != 'skipped_budget'
            and coalesce(answer_source, 'wire') = 'wire'
            and coalesce(first_finished_at, finished_at) >= @since
        qualify row_number() over (
            partition by record_id, input_hash, tenant_id, epoch
            order by coalesce(first_finished_at, finished_at) desc, if(status in unnest(@answer_statuses), 0, 1) asc
        ) = 1
    ),

    reusable as (
        select record_id, input_hash, tenant_id, epoch
        from earlier
        where status in unnest(@answer_statuses)
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
        ("answer_statuses", "ARRAY<STRING>"),
    ),
)

LATEST_REQUESTED = Statement(
    """
    select run_id, data_date
    from runs
    where
        task = @task
        and inference_version = @inference_version
        and event = 'finished'
        and calls > 0
        and (run_id = @run_id or purpose != 'perturb')
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
