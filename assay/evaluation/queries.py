"""SQL of evaluations: reusable runs, predictions with cost and latency, promoted versions, and earlier results."""

from __future__ import annotations

from assay.warehouse.statement import Statement

EVALUATED_BEFORE = Statement(
    """
    with versions as (
        select task_version_id, routes, scorer_versions
        from task_versions
        where task = @task and inference_version = @inference_version
        qualify row_number() over (partition by task_version_id order by landed_at) = 1
    )

    select
        runs.run_id as run_id,
        runs.data_date as data_date,
        to_json_string(versions.routes) as routes,
        to_json_string(versions.scorer_versions) as scorer_versions
    from runs
    inner join versions
        on runs.task_version_id = versions.task_version_id
    where
        runs.task = @task
        and runs.event = 'finished'
        and runs.status = 'completed'
        and runs.purpose = 'eval'
        and runs.inference_version = @inference_version
        and runs.input_source = @input_source
        and runs.epochs = @epochs
        and json_value(runs.config, '$.limit') is null
        and runs.run_id not in (select run_id from predictions where task = @task and status = 'skipped_budget')
        and runs.occurred_at >= @since
    order by runs.occurred_at desc
    limit 50
    """,
    (
        ("task", "STRING"),
        ("inference_version", "STRING"),
        ("input_source", "STRING"),
        ("epochs", "INT64"),
        ("since", "TIMESTAMP"),
    ),
)

EVALUATED_ANSWERS = Statement(
    """
    with answers as (
        select *
        from predictions
        where run_id = @run_id and data_date = @data_date
        qualify row_number() over (partition by prediction_id order by landed_at) = 1
    ),

    inputs as (
        select record_id, population, slices, cluster_id
        from records
        where run_id = @run_id and data_date = @data_date
        qualify row_number() over (partition by record_id order by landed_at) = 1
    ),

    -- The cost and latency of a reused or cached answer are those of the run that requested it.
    origins as (
        select call_id, run_id, request_key, end_to_end_ms
        from predictions
        where
            task = @task
            and answer_source = 'wire'
            and call_id in (select call_id from answers where answer_source != 'wire')
        qualify row_number() over (partition by call_id order by landed_at) = 1
    ),

    -- What an earlier run requested counts with its first outcome, and with the cost and latency of that.
    firsts as (
        select prediction_id, run_id, request_key, end_to_end_ms
        from predictions
        where task = @task and prediction_id in (select first_prediction_id from answers)
        qualify row_number() over (partition by prediction_id order by landed_at) = 1
    ),

    calls as (
        select distinct run_id, call_id, request_key, coalesce(cost_usd, cost_upper_usd) as usd
        from responses
        where task = @task and purpose != 'judge'
    ),

    paid as (
        select run_id, request_key, if(countif(usd is null) = 0, sum(usd), null) as usd, count(*) as calls
        from calls
        group by run_id, request_key
    )

    select
        answers.prediction_id as prediction_id,
        answers.tenant_id as tenant_id,
        answers.record_id as record_id,
        answers.epoch as epoch,
        coalesce(answers.first_status, answers.status) as status,
        inputs.population as population,
        inputs.slices as slices,
        inputs.cluster_id as cluster_id,
        case
            when paid.calls is not null then paid.usd
            when firsts.prediction_id is not null then 0
            when answers.answer_source is null or answers.answer_source = 'wire' then 0
        end as cost_usd,
        case
            when answers.first_prediction_id is not null then firsts.end_to_end_ms
            when answers.answer_source is null or answers.answer_source = 'wire' then answers.end_to_end_ms
            else origins.end_to_end_ms
        end as latency_ms
    from answers
    inner join inputs
        on answers.record_id = inputs.record_id
    left join origins
        on answers.answer_source != 'wire' and answers.call_id = origins.call_id
    left join firsts
        on answers.first_prediction_id = firsts.prediction_id
    left join paid
        on
            coalesce(firsts.run_id, origins.run_id, answers.run_id) = paid.run_id
            and coalesce(firsts.request_key, origins.request_key, answers.request_key) = paid.request_key
    order by tenant_id, record_id, epoch
    """,
    (("task", "STRING"), ("run_id", "STRING"), ("data_date", "DATE")),
)

STAGE_SERVED = Statement(
    """
    select variant, inference_version, task_version_id, git_sha
    from stages
    where task = @task and to_stage = @stage
    order by occurred_at desc, landed_at desc
    limit 1
    """,
    (("task", "STRING"), ("stage", "STRING")),
)

GATE_SPLIT_USES = Statement(
    """
    with cases as (
        select golden_set_version, case_id, input, expected
        from golden_cases
        where task = @task and split = 'gate'
        qualify row_number() over (partition by golden_set_version, case_id order by landed_at) = 1
    ),

    splits as (
        select
            golden_set_version,
            to_hex(sha256(string_agg(
                concat(case_id, '|', to_json_string(input), '|', coalesce(to_json_string(expected), '')),
                '|'
                order by case_id
            ))) as split_hash
        from cases
        group by golden_set_version
    ),

    uses as (
        select distinct runs.run_id as run_id, runs.inference_version as inference_version
        from runs
        inner join splits
            on runs.golden_set_version = splits.golden_set_version
        where
            runs.task = @task
            and runs.event = 'finished'
            and runs.status = 'completed'
            and (starts_with(runs.input_source, 'golden@') or starts_with(runs.input_source, 'golden:gate@'))
            and splits.split_hash = (
                select split_hash from splits where golden_set_version = @golden_set_version
            )
    )

    select count(*) as runs, count(distinct inference_version) as versions
    from uses
    """,
    (("task", "STRING"), ("golden_set_version", "STRING")),
)

LATEST_COMPARISONS = Statement(
    """
    select metric, slice, n, gains, losses, candidate_variant, champion_variant, data_date
    from comparisons
    where task = @task and population = @population
    qualify row_number() over (
        partition by metric, slice
        order by occurred_at desc, landed_at desc
    ) = 1
    """,
    (("task", "STRING"), ("population", "STRING")),
)

LATEST_RATES = Statement(
    """
    select coalesce(scorer, metric) as metric, slice, value, n, data_date
    from estimates
    where
        task = @task
        and population = @population
        and metric in ('reliability', 'pass_rate')
        and value is not null
    qualify row_number() over (
        partition by metric, scorer, slice
        order by occurred_at desc, landed_at desc
    ) = 1
    """,
    (("task", "STRING"), ("population", "STRING")),
)
