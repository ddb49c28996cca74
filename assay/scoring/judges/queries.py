"""SQL statements that read the landed votes of judges."""

from __future__ import annotations

from assay.warehouse.statement import Statement

VOTES_OF_RUN = Statement(
    """
    select
        records.position as position,
        scores.epoch as epoch,
        scores.scorer as scorer,
        scores.scorer_version as scorer_version,
        scores.annotator as juror,
        scores.judge_epoch as judge_epoch,
        scores.status as status,
        scores.value as value,
        scores.label as label,
        scores.passed as passed,
        if(scores.status = 'scored', null, scores.explanation) as explanation
    from scores
    inner join records
        on scores.run_id = records.run_id and scores.record_id = records.record_id
    where
        scores.run_id = @run_id
        and scores.data_date = @data_date
        and records.data_date = @data_date
        and scores.scorer_kind = 'judge'
        and scores.judge_epoch is not null
    qualify row_number() over (
        partition by scores.score_id
        order by scores.occurred_at desc, scores.landed_at desc, records.landed_at asc
    ) = 1
    order by position, epoch, scorer, juror, judge_epoch
    """,
    (("run_id", "STRING"), ("data_date", "DATE")),
)
