"""SQL of evaluations: reusable runs, predictions with cost and latency, promoted versions, and earlier results."""

from __future__ import annotations

from assay.warehouse.call_costs import first_outcome_costs
from assay.warehouse.statement import Statement, first_landed, over

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
        and runs.purpose = @purpose
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
        ("purpose", "STRING"),
        ("input_source", "STRING"),
        ("epochs", "INT64"),
        ("since", "TIMESTAMP"),
    ),
)

EVALUATED_ANSWERS = Statement(
    over(
        first_landed(
            "answers", "prediction_id", "select * from predictions where run_id = @run_id and data_date = @data_date"
        ),
        first_landed("inputs", "record_id", "select * from records where run_id = @run_id and data_date = @data_date"),
        # What an earlier run requested counts with its first outcome, and with the cost and latency of that.
        first_outcome_costs("task = @task"),
        first_landed(
            "origins",
            "call_id",
            """
        select * from predictions
        where
            task = @task
            and answer_source = 'wire'
            and call_id in (select call_id from answers where answer_source != 'wire')
            """,
        ),
        then="""

    -- No call was made for an adopted answer: its cost and latency are what its source states. Calls of unknown billing
    -- count at their upper estimate.
    select
        answers.prediction_id as prediction_id,
        answers.tenant_id as tenant_id,
        answers.record_id as record_id,
        answers.epoch as epoch,
        coalesce(answers.first_status, answers.status) as status,
        inputs.population as population,
        inputs.slices as slices,
        inputs.cluster_id as cluster_id,
        first_costs.cost_upper_usd as cost_usd,
        case
            when answers.answer_source = 'adopted' then answers.adopted_latency_ms
            when answers.first_prediction_id is not null then firsts.end_to_end_ms
            when answers.answer_source is null or answers.answer_source = 'wire' then answers.end_to_end_ms
            else origins.end_to_end_ms
        end as latency_ms
    from answers
    inner join inputs
        on answers.record_id = inputs.record_id
    inner join first_costs
        on answers.prediction_id = first_costs.prediction_id
    left join origins
        on answers.answer_source != 'wire' and answers.call_id = origins.call_id
    left join firsts
        on answers.first_prediction_id = firsts.prediction_id
    order by tenant_id, record_id, epoch
    """,
    ),
    (("task", "STRING"), ("run_id", "STRING"), ("data_date", "DATE")),
)

GATE_LOOKS = Statement(
    """
    with contents as (
        select distinct input_hash
        from records
        where task = @task and run_id = @run_id and population = 'golden:gate'
    ),

    started as (
        select
            run_id,
            max(inference_version) as inference_version,
            max(purpose) as purpose,
            max(if(purpose = 'perturb', split(input_source, ':')[safe_offset(1)], null)) as perturbation
        from runs
        where task = @task
        group by run_id
    ),

    -- What a run requested anew, of whatever input and id, finished or not. Responses from
    -- a cache and predictions of earlier runs show nothing new.
    requested as (
        select
            predictions.run_id as run_id,
            predictions.record_id as record_id,
            min(predictions.landed_at) as landed_at
        from predictions
        where
            predictions.task = @task
            and predictions.first_prediction_id is null
            and predictions.status != 'skipped_budget'
            and coalesce(predictions.answer_source, 'wire') not in ('exact_cache', 'semantic_cache')
        group by predictions.run_id, predictions.record_id
    ),

    seen as (
        select distinct
            started.run_id as run_id,
            started.inference_version as inference_version,
            started.purpose as purpose,
            started.perturbation as perturbation,
            records.input_hash as input_hash,
            records.population as population,
            requested.landed_at as landed_at
        from records
        inner join requested
            on records.run_id = requested.run_id and records.record_id = requested.record_id
        inner join started
            on records.run_id = started.run_id
        where records.task = @task
    ),

    -- A version has seen the cases once its runs requested predictions for more than half of them.
    versions as (
        select inference_version
        from seen
        where purpose != 'perturb' and input_hash in (select input_hash from contents)
        group by inference_version
        having 2 * count(distinct input_hash) > (select count(*) from contents)
    ),

    promoted as (
        select min(occurred_at) as promoted_at
        from stages
        where task = @task and to_stage = 'ga' and inference_version = @champion_version
    ),

    new_runs as (
        select
            seen.run_id as run_id,
            seen.inference_version as inference_version,
            max(seen.perturbation) as perturbation,
            max(seen.landed_at) as landed_at
        from seen
        cross join promoted
        where
            seen.inference_version in (select inference_version from versions)
            and (seen.input_hash in (select input_hash from contents) or seen.population = 'perturbed')
            and (promoted.promoted_at is null or seen.landed_at > promoted.promoted_at)
        group by seen.run_id, seen.inference_version
    ),

    looks as (
        select
            countif(inference_version != @champion_version)
            + greatest(0, countif(inference_version = @champion_version) - 1) as looks
        from new_runs
        where
            perturbation is null
            and landed_at <= (
                select max(landed_at) from predictions where task = @task and run_id in (@run_id, @champion_run_id)
            )
    ),

    -- The same version on perturbed input once more, for example with another seed, is another draw.
    repeats as (
        select count(*) - count(distinct concat(inference_version, ' ', perturbation)) as repeats
        from new_runs
        where perturbation is not null
    ),

    counted as (
        select greatest(1, looks.looks + repeats.repeats) as looks
        from looks
        cross join repeats
    ),

    decided as (
        select
            gates.look as look,
            max(gates.look_error) as look_error,
            min(if(gates.candidate_run_id = @run_id, gates.look_error, null)) as own_error
        from gates
        cross join promoted
        where
            gates.task = @task
            and gates.population = 'golden:gate'
            and gates.candidate_inference_version in (select inference_version from versions)
            and (promoted.promoted_at is null or gates.occurred_at > promoted.promoted_at)
        group by gates.look
    )

    select
        looks,
        coalesce((
            select sum(decided.look_error)
            from decided
            cross join counted
            where decided.look != counted.looks
        ), 0) as spent,
        (
            select max(decided.own_error)
            from decided
            cross join counted
            where decided.look = counted.looks
        ) as own_error
    from counted
    """,
    (
        ("task", "STRING"),
        ("run_id", "STRING"),
        ("champion_run_id", "STRING"),
        ("champion_version", "STRING"),
    ),
)

EXAMPLE_PREDICTION = Statement(
    """
    select
        records.input as input,
        records.expected as expected,
        predictions.output as output,
        predictions.status as status
    from predictions
    inner join records
        on predictions.run_id = records.run_id and predictions.record_id = records.record_id
    where
        predictions.run_id = @run_id
        and predictions.data_date = @data_date
        and records.data_date = @data_date
        and predictions.tenant_id = @tenant_id
        and predictions.record_id = @record_id
        and predictions.epoch = @epoch
    order by predictions.landed_at, records.landed_at
    limit 1
    """,
    (
        ("run_id", "STRING"),
        ("data_date", "DATE"),
        ("tenant_id", "STRING"),
        ("record_id", "STRING"),
        ("epoch", "INT64"),
    ),
)

RESPONSES_WITH_MARKER = Statement(
    """
    with answers as (
        select distinct tenant_id, record_id, request_key, coalesce(to_json_string(output), '') as output
        from predictions
        where run_id = @run_id and data_date = @data_date
    ),

    -- The responses of every call of the request: also one that was invalid and repaired, or that an earlier run received.
    texts as (
        select request_key, logical_or(strpos(lower(output_text), lower(@marker)) > 0) as has_marker
        from contents
        where task = @task and data_date <= @data_date and request_key in (select request_key from answers)
        group by request_key
    )

    select
        answers.tenant_id as tenant_id,
        answers.record_id as record_id,
        logical_or(
            coalesce(texts.has_marker, false) or strpos(lower(answers.output), lower(@marker)) > 0
        ) as has_marker
    from answers
    left join texts
        on answers.request_key = texts.request_key
    group by answers.tenant_id, answers.record_id
    """,
    (("task", "STRING"), ("run_id", "STRING"), ("data_date", "DATE"), ("marker", "STRING")),
)
