"""Statements of single kinds of predictions: those that failed, by error, and some that are wrong, with their content."""

from __future__ import annotations

from assay.report.queries.expressions import JUDGED, OF_RUN, OF_VERSION, PREDICTIONS
from assay.warehouse.statement import Statement, over

FAILURES = Statement(
    over(
        PREDICTIONS,
        then=""",

    counted as (
        select
            status,
            coalesce(error_type, 'none') as error_type,
            count(*) as n_predictions,
            sum(count(*)) over () as n_run_predictions
        from answers
        group by status, error_type
    )

    select status, error_type, n_predictions, n_predictions / n_run_predictions as share_of_run
    from counted
    where status not in ('ok', 'repaired')
    order by n_predictions desc, status, error_type
    """,
    ),
    OF_RUN,
)
"""As `rpt_failures`."""

WRONG_PREDICTIONS = Statement(
    over(
        *JUDGED,
        then="""
    , reasons as (
        select
            judgments.prediction_id as prediction_id,
            string_agg(
                concat(
                    judgments.scorer,
                    if(judgments.explanation is null, '', concat(': ', judgments.explanation))
                ),
                '; '
                order by judgments.scorer
            ) as failed_checks
        from judgments
        inner join newest_versions
            on
                judgments.prediction_id = newest_versions.prediction_id
                and judgments.scorer = newest_versions.scorer
                and judgments.scorer_version = newest_versions.scorer_version
        inner join required
            on judgments.scorer = required.scorer
        where judgments.is_verdict and judgments.status = 'scored' and not judgments.passed
        group by judgments.prediction_id
    ),

    -- One epoch of a record stands for the others.
    wrong as (
        select *
        from judged
        where is_eligible and not is_correct
        qualify row_number() over (partition by tenant_id, record_id order by epoch asc) = 1
    )

    select
        wrong.prediction_id as prediction_id,
        wrong.record_id as record_id,
        wrong.epoch as epoch,
        wrong.population as population,
        wrong.slices as slices,
        wrong.outcome as first_status,
        wrong.status as status,
        to_json_string(wrong.input) as input,
        to_json_string(wrong.expected) as expected,
        to_json_string(wrong.output) as output,
        wrong.error_type as error_type,
        wrong.error_message as error_message,
        reasons.failed_checks as failed_checks,
        count(*) over () as n_wrong_records
    from wrong
    left join reasons
        on wrong.prediction_id = reasons.prediction_id
    order by wrong.prediction_id
    limit @wrong
    """,
    ),
    (*OF_VERSION, ("wrong", "INT64")),
)
"""Records with an incorrect prediction; the order is that of a hash, so that the first ones are like the others."""
