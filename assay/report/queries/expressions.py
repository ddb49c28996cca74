"""Common table expressions that several statements of the scorecard begin with."""

from __future__ import annotations

from assay.warehouse.call_costs import landed_calls
from assay.warehouse.statement import first_landed, joined, last_landed

OF_RUN = (("run_id", "STRING"), ("data_date", "DATE"))
OF_VERSION = (*OF_RUN, ("task", "STRING"), ("task_version_id", "STRING"))
OF_RESPONSES = (*OF_RUN, ("first_day", "DATE"), ("last_day", "DATE"))
OF_ORIGINS = (*OF_RESPONSES, ("task", "STRING"))

VERSION = first_landed(
    "version",
    "task_version_id",
    "select * from task_versions where task = @task and task_version_id = @task_version_id",
)
"""The task version of the run; as `stg_landing__task_versions`."""

PREDICTIONS = first_landed(
    "answers",
    "prediction_id",
    """
        select
            * except (end_to_end_ms),
            if(answer_source = 'adopted', adopted_latency_ms, end_to_end_ms) as end_to_end_ms,
            coalesce(first_status, status) as outcome
        from predictions
        where run_id = @run_id and data_date = @data_date
    """,
)
"""The run's predictions; `outcome` is the status of the first outcome, `status` that of what was delivered."""

RECORDS = first_landed(
    "inputs",
    "record_id",
    "select * from records where run_id = @run_id and data_date = @data_date",
)

RESPONSES = landed_calls("run_id = @run_id and data_date = @data_date")
"""The run's calls; an unpriced call was billed without a price, as in `fct_responses`."""

SCORES = joined(
    last_landed(
        "landed_scores",
        "score_id",
        "select * from scores where run_id = @run_id and data_date = @data_date and scorer_kind != 'human'",
    ),
    """
    -- A judge with several votes counts by its verdict only, which has no judge epoch.
    judgments as (
        select
            *,
            scorer_kind != 'judge'
            or judge_epoch is null
            or count(*) over (partition by prediction_id, scorer, scorer_version) = 1 as is_verdict
        from landed_scores
    )""",
)
"""The scores of the run's predictions without human labels; as `int_scores_agreed` and `is_verdict`."""

_AGREED = """
    newest_versions as (
        select prediction_id, scorer, scorer_version
        from judgments
        where true
        qualify row_number() over (
            partition by prediction_id, scorer
            order by occurred_at desc, landed_at desc, scorer_version desc
        ) = 1
    ),

    counted_scores as (
        select
            judgments.prediction_id as prediction_id,
            judgments.scorer as scorer,
            countif(judgments.is_verdict) as n_judgements,
            countif(judgments.is_verdict and judgments.status = 'scored' and judgments.passed) as n_passed,
            countif(judgments.is_verdict and judgments.status = 'scored' and not judgments.passed) as n_failed
        from judgments
        inner join newest_versions
            on
                judgments.prediction_id = newest_versions.prediction_id
                and judgments.scorer = newest_versions.scorer
                and judgments.scorer_version = newest_versions.scorer_version
        group by judgments.prediction_id, judgments.scorer
    ),

    agreed as (
        select
            prediction_id,
            scorer,
            n_failed > 0 or (n_judgements > 0 and n_passed = n_judgements) as is_scored,
            n_judgements > 0 and n_passed = n_judgements as is_passed
        from counted_scores
    )"""

_REQUIRED = """
    required as (
        select distinct scorer
        from version
        cross join unnest(version.correct_scorers) as scorer
    ),

    declared as (
        select
            json_value(declared_check, '$.name') as scorer,
            logical_or(json_value(declared_check, '$.sample') is not null) as has_sample
        from version
        cross join unnest(json_query_array(version.checks)) as declared_check
        group by scorer
    ),

    placed as (
        select
            answers.prediction_id as prediction_id,
            answers.tenant_id as tenant_id,
            answers.record_id as record_id,
            answers.epoch as epoch,
            answers.status as status,
            answers.outcome as outcome,
            answers.calls as calls,
            answers.first_prediction_id as first_prediction_id,
            answers.output as output,
            answers.error_type as error_type,
            answers.error_message as error_message,
            coalesce(inputs.population, 'unknown') as population,
            inputs.cluster_id as cluster_id,
            inputs.slices as slices,
            inputs.position as position,
            inputs.input as input,
            inputs.expected as expected,
            answers.outcome in ('ok', 'repaired') as is_answered,
            answers.outcome in ('ok', 'repaired')
            or (answers.outcome = 'fallback' and coalesce(version.fallback_counts, false)) as can_be_correct,
            answers.status in ('ok', 'repaired')
            or (answers.status = 'fallback' and coalesce(version.fallback_counts, false)) as can_be_delivered
        from answers
        left join inputs
            on answers.record_id = inputs.record_id
        left join version
            on true
    )"""

_JUDGED = """
    -- A judge that scores a sample has no row for a prediction outside it. Versions that do not declare the scorer
    -- cannot say so: there, an output without a row is outside.
    matched as (
        select
            placed.prediction_id as prediction_id,
            count(required.scorer) as n_required,
            countif(agreed.is_scored and agreed.is_passed) as n_passed,
            countif(agreed.is_scored and not agreed.is_passed) as n_failed,
            countif(
                required.scorer is not null
                and agreed.prediction_id is null
                and coalesce(declared.has_sample, placed.can_be_correct)
            ) as n_outside
        from placed
        left join required
            on true
        left join declared
            on required.scorer = declared.scorer
        left join agreed
            on
                placed.prediction_id = agreed.prediction_id
                and required.scorer = agreed.scorer
        group by placed.prediction_id
    ),

    first_outcomes as (
        select
            placed.*,
            matched.n_required as n_required,
            matched.n_passed as n_passed,
            matched.n_failed as n_failed,
            placed.outcome != 'skipped_budget' and matched.n_outside = 0 as is_eligible,
            case
                when placed.outcome = 'skipped_budget' then null
                when matched.n_required = 0 or matched.n_outside > 0 then null
                when not placed.can_be_correct then false
                when matched.n_failed > 0 then false
                when matched.n_passed = matched.n_required then true
            end as is_correct
        from placed
        inner join matched
            on placed.prediction_id = matched.prediction_id
    ),

    judged as (
        select
            *,
            case
                when status = outcome then is_correct
                when status = 'skipped_budget' then false
                when n_required = 0 then null
                when not can_be_delivered then false
                when n_failed > 0 then false
                when n_passed = n_required then true
            end as is_delivered_correct
        from first_outcomes
    )"""

JUDGED = (VERSION, PREDICTIONS, RECORDS, SCORES, _AGREED, _REQUIRED, _JUDGED)
"""Expressions up to `judged`: the run's predictions with whether they count and are correct.

As `fct_predictions`: `is_eligible`, `is_correct` and `is_delivered_correct`; parameters `OF_VERSION`.
"""
