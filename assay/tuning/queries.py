"""SQL statements for `assay route fit` and `assay cache`: runs, predictions and costs."""

from __future__ import annotations

from assay.warehouse.statement import Statement

ROUTE_RUN = Statement(
    """
    select run_id, data_date, variant, inference_version
    from runs
    where
        task = @task
        and event = 'finished'
        and status = 'completed'
        and purpose != 'perturb'
        and (run_id = @which or variant = @which)
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
            logical_or(expected is not null) as is_labeled
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

    original_routing as (
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
        coalesce(answers.first_status, answers.status) as status,
        answers.route as route,
        answers.output as output,
        if(answers.routing is not null, answers.routing, original_routing.routing) as routing,
        inputs.cluster_id as cluster_id,
        inputs.population as population,
        inputs.is_labeled as is_labeled,
        if(paid.request_key is not null, paid.usd, earlier.usd) as cost_usd
    from answers
    inner join inputs
        on answers.record_id = inputs.record_id
    left join paid
        on answers.request_key = paid.request_key
    left join calls as earlier
        on answers.call_id = earlier.call_id
    left join original_routing
        on answers.call_id = original_routing.call_id
    """,
    (("task", "STRING"), ("run_id", "STRING"), ("data_date", "DATE")),
)

LATEST_RECORD = Statement(
    """
    select run_id, record_id, input, input_hash, tenant_id, subject_key
    from records
    where task = @task and record_id = @record_id and population != 'perturbed'
    order by landed_at desc
    limit 1
    """,
    (("task", "STRING"), ("record_id", "STRING")),
)

ANSWER_COST = Statement(
    """
    select count(*) as calls, avg(cost_usd) as cost_usd
    from (
        select distinct call_id, cost_usd
        from responses
        where task = @task and purpose = 'answer' and status = 'ok' and cost_usd is not null
    )
    """,
    (("task", "STRING"),),
)
