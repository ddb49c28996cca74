"""Statements of the rates of one run: its counts by population and slice, its landed estimates, its flaky records."""

from __future__ import annotations

from assay.report.queries.expressions import JUDGED, OF_RUN, OF_VERSION, PREDICTIONS, RECORDS, SCORES
from assay.warehouse.statement import Statement, last_landed, over

RATE_COUNTS = Statement(
    over(
        *JUDGED,
        then="""
    , slices as (
        select prediction_id, 'overall' as slice
        from judged

        union all

        select distinct judged.prediction_id as prediction_id, slice
        from judged
        cross join unnest(judged.slices) as slice
    ),

    -- A record without a cluster is a cluster of its own.
    sliced as (
        select
            judged.*,
            slices.slice as slice,
            outcome not in ('ok', 'repaired')
            and first_prediction_id is not null
            and (status != outcome or calls > 0) as is_second_chance,
            if(
                cluster_id is null,
                concat(tenant_id, ' record ', record_id),
                concat(tenant_id, ' cluster ', cluster_id)
            ) as cluster_key
        from judged
        inner join slices
            on judged.prediction_id = slices.prediction_id
    )

    select
        population,
        slice,
        count(*) as n_predictions,
        countif(outcome = 'skipped_budget') as n_skipped,
        countif(outcome != 'skipped_budget' and not is_eligible) as n_unjudged,
        countif(is_eligible) as n_eligible,
        countif(is_eligible and is_correct) as n_correct,
        countif(is_eligible and is_correct is null) as n_unscored,
        countif(is_eligible and is_answered) as n_answered,
        countif(is_eligible and is_answered and is_correct) as n_answered_correct,
        countif(is_eligible and is_answered and is_correct is not null) as n_answered_scored,
        countif(is_eligible and is_second_chance) as n_second_chances,
        countif(is_eligible and is_delivered_correct) as n_delivered_correct,
        countif(is_eligible and is_delivered_correct is null) as n_delivered_unscored,
        count(distinct if(is_eligible, cluster_key, null)) as n_clusters,
        count(distinct if(is_eligible, epoch, null)) as epochs
    from sliced
    group by population, slice
    order by population, if(slice = 'overall', 0, 1), slice
    """,
    ),
    OF_VERSION,
)

RUN_RATES = Statement(
    over(
        last_landed(
            "landed_estimates",
            "estimate_id",
            "select * from estimates where run_id = @run_id and data_date = @data_date",
        ),
        then="""

    select
        metric,
        scorer,
        scorer_version,
        population,
        slice,
        method,
        value,
        low,
        high,
        n,
        clusters,
        effective_n,
        worst,
        best,
        status,
        reason,
        to_json_string(details) as details
    from landed_estimates
    where coalesce(kind = 'run', true) and evaluation_id = run_id and label is null
    qualify row_number() over (
        partition by task, inference_version, metric, coalesce(scorer, ''), population, slice
        order by occurred_at desc, landed_at desc, estimate_id desc
    ) = 1
    """,
    ),
    OF_RUN,
)
"""The run's own estimates, without those of single classes; as `int_estimates_latest`."""

CALIBRATION = Statement(
    over(
        last_landed(
            "landed_estimates",
            "estimate_id",
            "select * from estimates "
            "where run_id = @run_id and data_date = @data_date and kind = 'calibration' and slice = 'overall'",
        ),
        then="""

    select
        scorer,
        scorer_version,
        metric,
        population,
        method,
        value,
        low,
        high,
        n,
        status,
        reason,
        to_json_string(calibration) as calibration,
        occurred_at
    from landed_estimates
    where metric in ('judged_rate', 'human_rate', 'corrected_rate', 'cohens_kappa')
    qualify row_number() over (
        partition by scorer, metric, population, split(method, '_')[safe_offset(0)]
        order by occurred_at desc, landed_at desc, estimate_id desc
    ) = 1
    order by scorer, population, metric, method
    """,
    ),
    OF_RUN,
)
"""The latest calibration of each judge with human labels of the run, over all its records."""

FLAKY_COUNTS = Statement(
    over(
        *JUDGED,
        then="""
    , repeated as (
        select
            tenant_id,
            population,
            record_id,
            countif(is_correct is not null) as n_scored,
            countif(is_correct) as n_correct
        from judged
        where is_eligible
        group by tenant_id, population, record_id
    )

    select population, count(*) as n_flaky
    from repeated
    where n_correct > 0 and n_correct < n_scored
    group by population
    order by population
    """,
    ),
    OF_VERSION,
)
"""As `rpt_flaky_records`, counted."""

SCORE_COUNTS = Statement(
    over(
        PREDICTIONS,
        RECORDS,
        SCORES,
        then=""",

    judged as (
        select
            coalesce(inputs.population, 'unknown') as population,
            answers.outcome as outcome,
            answers.outcome in ('ok', 'repaired') as is_answered,
            answers.outcome in ('ok', 'repaired', 'fallback') as has_output,
            judgments.scorer as scorer,
            judgments.scorer_kind as scorer_kind,
            judgments.scorer_version as scorer_version,
            judgments.status as status,
            judgments.status = 'scored' and coalesce(judgments.passed, false) as is_passed,
            judgments.status = 'scored' and judgments.passed is not null as is_decided,
            judgments.status = 'scored' and judgments.passed is null as is_measured,
            judgments.gives as gives
        from judgments
        inner join answers
            on judgments.prediction_id = answers.prediction_id
        left join inputs
            on answers.record_id = inputs.record_id
        where judgments.is_verdict and answers.outcome != 'skipped_budget'
    )

    select
        population,
        scorer,
        scorer_kind,
        scorer_version,
        count(*) as n_judgements,
        countif(not is_answered) as n_no_output,
        countif(is_answered and status = 'scored') as n_scored,
        countif(is_answered and status = 'unscored') as n_unscored,
        countif(is_answered and status = 'failed') as n_failed,
        countif(is_answered and status = 'refused') as n_refused,
        countif(is_answered and is_passed) as n_passed,
        countif(is_answered and not is_decided) as n_undecided,
        countif(outcome = 'fallback') as n_fallback,
        countif(has_output and is_passed) as n_delivered_passed,
        countif(has_output and not is_decided) as n_delivered_undecided,
        coalesce(
            logical_or(gives = 'number'),
            countif(has_output and is_measured) > 0 and countif(has_output and is_decided) = 0
        ) as is_measure
    from judged
    group by population, scorer, scorer_kind, scorer_version
    order by population, scorer, scorer_version
    """,
    ),
    OF_RUN,
)
"""As `int_run_scores_counted`."""
