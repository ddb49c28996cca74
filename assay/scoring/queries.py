"""SQL statements that read scores and estimates of one run."""

from __future__ import annotations

from assay.warehouse.statement import Statement

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

VERDICTS_OF_RUN = Statement(
    """
    with judgments as (
        select *
        from scores
        where run_id = @run_id and data_date = @data_date and scorer_kind != 'human'
        qualify row_number() over (partition by score_id order by occurred_at desc, landed_at desc) = 1
    ),

    -- A judge with several votes counts by its verdict only, which has no judge epoch.
    verdicts as (
        select *
        from judgments
        where true
        qualify
            scorer_kind != 'judge'
            or judge_epoch is null
            or count(*) over (partition by prediction_id, scorer, scorer_version) = 1
    )

    select prediction_id, scorer, scorer_version, status, passed, value, label, expected_label
    from verdicts
    where true
    qualify row_number() over (
        partition by prediction_id, scorer
        order by occurred_at desc, landed_at desc
    ) = 1
    """,
    (("run_id", "STRING"), ("data_date", "DATE")),
)

RUN_ANSWER_COUNTS = Statement(
    """
    -- All counts of one scoring have the same time; those of an earlier one may be of other classes.
    with newest as (
        select *
        from answer_counts
        where run_id = @run_id and data_date = @data_date and slice = 'overall'
        qualify
            occurred_at = max(occurred_at) over ()
            and row_number() over (partition by answer_count_id order by occurred_at desc, landed_at desc) = 1
    )

    select population, field, scorer, expected, answered, status, n
    from newest
    order by population, scorer is null, field, expected, answered, status
    """,
    (("run_id", "STRING"), ("data_date", "DATE")),
)

RUN_CLASS_ESTIMATES = Statement(
    """
    select population, scorer, metric, label, value, low, high, n, status, reason, details
    from estimates
    where
        run_id = @run_id
        and data_date = @data_date
        and evaluation_id = @run_id
        and slice = 'overall'
        and (
            metric in ('precision', 'recall', 'f1')
            or starts_with(metric, 'macro_')
            or starts_with(metric, 'weighted_')
        )
    qualify row_number() over (
        partition by population, scorer, metric, label
        order by occurred_at desc, landed_at desc
    ) = 1
    order by population, scorer, metric, label
    """,
    (("run_id", "STRING"), ("data_date", "DATE")),
)
