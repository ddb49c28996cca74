"""SQL statements that read sampling frames, the labeling queue and labels."""

from __future__ import annotations

from assay.warehouse.statement import Statement

RUN_TO_LABEL = Statement(
    """
    select run_id, data_date, variant, inference_version
    from runs
    where
        task = @task
        and event = 'finished'
        and status = 'completed'
        and purpose != 'perturb'
        and (@run_id = '' or run_id = @run_id)
    order by occurred_at desc, landed_at desc
    limit 1
    """,
    (("task", "STRING"), ("run_id", "STRING")),
)

LABEL_FRAME = Statement(
    """
    with judgments as (
        select
            prediction_id,
            scorer,
            scorer_version,
            value,
            status = 'scored' and passed is not null as is_scored,
            coalesce(passed, false) as is_passed,
            judge_epoch is null and annotator is null as is_verdict
        from scores
        where
            run_id = @run_id
            and data_date = @data_date
            and scorer_kind != 'human'
            and scorer in unnest(@scorers)
        qualify row_number() over (partition by score_id order by landed_at desc, occurred_at desc) = 1
    ),

    newest as (
        select prediction_id, scorer, scorer_version
        from scores
        where run_id = @run_id and data_date = @data_date and scorer_kind != 'human' and scorer in unnest(@scorers)
        qualify
            row_number() over (
                partition by prediction_id, scorer
                order by occurred_at desc, landed_at desc, scorer_version desc
            ) = 1
    ),

    by_scorer as (
        select
            judgments.prediction_id as prediction_id,
            judgments.scorer as scorer,
            coalesce(
                logical_and(if(judgments.is_verdict, judgments.is_scored, null)), logical_and(judgments.is_scored)
            ) as is_scored,
            coalesce(
                logical_and(if(judgments.is_verdict, judgments.is_passed, null)), logical_and(judgments.is_passed)
            ) as is_passed,
            coalesce(avg(if(judgments.is_verdict, judgments.value, null)), avg(judgments.value)) as value,
            countif(judgments.is_scored and judgments.is_passed) > 0
            and countif(judgments.is_scored and not judgments.is_passed) > 0 as is_disputed
        from judgments
        inner join newest
            on
                judgments.prediction_id = newest.prediction_id
                and judgments.scorer = newest.scorer
                and judgments.scorer_version = newest.scorer_version
        group by judgments.prediction_id, judgments.scorer
    ),

    judged as (
        select
            prediction_id,
            count(*) as n_scorers,
            logical_or(is_scored and not is_passed) as is_failed,
            logical_and(is_scored and is_passed) as is_passed,
            logical_or(is_disputed) as is_disputed,
            avg(value) as value
        from by_scorer
        group by prediction_id
    ),

    answered as (
        select prediction_id, record_id, epoch, tenant_id, finished_at
        from predictions
        where run_id = @run_id and data_date = @data_date and output is not null
        qualify row_number() over (partition by prediction_id order by landed_at asc) = 1
    ),

    sliced as (
        select record_id, slices
        from records
        where run_id = @run_id and data_date = @data_date
        qualify row_number() over (partition by record_id order by landed_at asc) = 1
    )

    select
        answered.prediction_id as prediction_id,
        answered.record_id as record_id,
        answered.epoch as epoch,
        answered.tenant_id as tenant_id,
        answered.finished_at as finished_at,
        sliced.slices as slices,
        coalesce(judged.n_scorers, 0) as n_scorers,
        coalesce(judged.is_failed, false) as is_failed,
        coalesce(judged.is_passed, false) as is_passed,
        coalesce(judged.is_disputed, false) as is_disputed,
        judged.value as value
    from answered
    inner join sliced
        on answered.record_id = sliced.record_id
    left join judged
        on answered.prediction_id = judged.prediction_id
    order by prediction_id
    """,
    (("run_id", "STRING"), ("data_date", "DATE"), ("scorers", "ARRAY<STRING>")),
)

LABEL_QUEUE = Statement(
    """
    select * except (landed_at, row_hash)
    from annotations_queue
    where task = @task
    qualify row_number() over (partition by assignment_id order by landed_at desc, occurred_at desc) = 1
    order by position, assignment_id
    """,
    (("task", "STRING"),),
)

QUEUED_CONTENTS = Statement(
    """
    select
        predictions.prediction_id as prediction_id,
        predictions.run_id as run_id,
        predictions.data_date as data_date,
        predictions.record_id as record_id,
        predictions.epoch as epoch,
        predictions.tenant_id as tenant_id,
        predictions.subject_key as subject_key,
        predictions.masking_version as masking_version,
        predictions.output as output,
        records.input as input,
        records.expected as expected
    from predictions
    inner join records
        on predictions.run_id = records.run_id and predictions.record_id = records.record_id
    where
        predictions.task = @task
        and predictions.prediction_id in (
            select queued.prediction_id from annotations_queue as queued where queued.task = @task
        )
    qualify row_number() over (
        partition by predictions.prediction_id
        order by predictions.landed_at asc, records.landed_at asc
    ) = 1
    """,
    (("task", "STRING"),),
)

HUMAN_LABELS = Statement(
    """
    select
        score_id, prediction_id, run_id, data_date, record_id, epoch, scorer, scorer_version, annotator,
        coalesce(annotator_kind, 'expert') as annotator_kind, value, label, passed, status, explanation, occurred_at
    from scores
    where task = @task and scorer_kind = 'human' and (@run_id = '' or run_id = @run_id)
    qualify row_number() over (partition by score_id order by landed_at desc, occurred_at desc) = 1
    order by record_id, epoch, scorer, annotator, scorer_version
    """,
    (("task", "STRING"), ("run_id", "STRING")),
)

PREDICTIONS_TO_LABEL = Statement(
    """
    select
        prediction_id, run_id, data_date, record_id, epoch, tenant_id, subject_key, masking_version,
        output is not null as has_output
    from predictions
    where task = @task and (run_id = @run_id or prediction_id in unnest(@prediction_ids))
    qualify row_number() over (partition by prediction_id order by landed_at asc) = 1
    """,
    (("task", "STRING"), ("run_id", "STRING"), ("prediction_ids", "ARRAY<STRING>")),
)
