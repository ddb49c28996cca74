"""SQL of calibration: the run to calibrate, drawn samples, judged predictions, and human labels."""

from __future__ import annotations

from assay.warehouse.statement import Statement

RUN_TO_CALIBRATE = Statement(
    """
    with queued as (
        select run_id, prediction_id, logical_or(purpose = 'calibration') as is_drawn
        from annotations_queue
        where task = @task and scorer = @scorer and scorer_version = @question_version
        group by run_id, prediction_id
    ),

    labeled as (
        select
            scores.run_id as run_id,
            max(case when queued.is_drawn then 3 when queued.prediction_id is null then 2 else 0 end) as priority
        from scores
        left join queued
            on scores.prediction_id = queued.prediction_id
        where
            scores.task = @task
            and scores.scorer_kind = 'human'
            and scores.scorer = @scorer
            and scores.scorer_version = @question_version
            and scores.status = 'scored'
            and coalesce(scores.annotator_kind, 'expert') = 'expert'
        group by scores.run_id
    ),

    waiting as (
        select run_id, 1 as priority
        from queued
        where is_drawn
        group by run_id
    )

    select
        runs.run_id as run_id,
        runs.data_date as data_date,
        runs.inference_version as inference_version,
        runs.golden_set_version as golden_set_version,
        runs.policy_version as policy_version
    from runs
    left join labeled
        on runs.run_id = labeled.run_id
    left join waiting
        on runs.run_id = waiting.run_id
    where
        runs.task = @task
        and runs.event = 'finished'
        and runs.status = 'completed'
        and runs.purpose != 'perturb'
        and (@run_id = '' or runs.run_id = @run_id)
    order by
        greatest(coalesce(labeled.priority, 0), coalesce(waiting.priority, 0)) desc,
        runs.occurred_at desc,
        runs.landed_at desc
    limit 1
    """,
    (("task", "STRING"), ("run_id", "STRING"), ("scorer", "STRING"), ("question_version", "STRING")),
)

DRAWN_SAMPLES = Statement(
    """
    with labeled as (
        select distinct prediction_id, scorer_version
        from scores
        where
            task = @task
            and scorer_kind = 'human'
            and scorer = @scorer
            and status = 'scored'
            and coalesce(annotator_kind, 'expert') = 'expert'
    )

    select
        queued.sample_id as sample_id,
        queued.run_id as run_id,
        queued.inference_version as inference_version,
        queued.scorer_version as question_version,
        queued.purpose as purpose,
        queued.sampling_design as design,
        queued.frame as frame,
        queued.frame_size as frame_size,
        min(queued.occurred_at) as drawn_at,
        count(distinct queued.prediction_id) as items,
        count(distinct labeled.prediction_id) as labeled
    from annotations_queue as queued
    left join labeled
        on queued.prediction_id = labeled.prediction_id and queued.scorer_version = labeled.scorer_version
    where queued.task = @task and queued.scorer = @scorer
    group by
        queued.sample_id, queued.run_id, queued.inference_version, queued.scorer_version, queued.purpose,
        queued.sampling_design, queued.frame, queued.frame_size
    order by drawn_at desc, sample_id
    """,
    (("task", "STRING"), ("scorer", "STRING")),
)

JUDGED_ANSWERS = Statement(
    """
    with scored as (
        select prediction_id, scorer_version, judge_epoch, status, value, passed
        from scores
        where task = @task and run_id = @run_id and data_date = @data_date and scorer_kind = 'judge' and scorer = @scorer
        qualify row_number() over (partition by score_id order by landed_at desc, occurred_at desc) = 1
    ),

    verdicts as (
        select *
        from scored
        where true
        qualify judge_epoch is null or count(*) over (partition by prediction_id, scorer_version) = 1
    ),

    others as (
        select prediction_id, max(scorer_version) as scorer_version
        from verdicts
        where scorer_version != @scorer_version
        group by prediction_id
    ),

    outputs as (
        select prediction_id, tenant_id, record_id, length(to_json_string(output)) as output_length
        from predictions
        where task = @task and run_id = @run_id and data_date = @data_date and output is not null
        qualify row_number() over (partition by prediction_id order by landed_at asc) = 1
    ),

    inputs as (
        select record_id, population, cluster_id, slices
        from records
        where task = @task and run_id = @run_id and data_date = @data_date
        qualify row_number() over (partition by record_id order by landed_at asc) = 1
    )

    select
        outputs.prediction_id as prediction_id,
        outputs.tenant_id as tenant_id,
        outputs.record_id as record_id,
        inputs.population as population,
        inputs.cluster_id as cluster_id,
        inputs.slices as slices,
        outputs.output_length as output_length,
        verdicts.status as status,
        verdicts.value as value,
        verdicts.passed as passed,
        others.scorer_version as other_version
    from outputs
    inner join inputs
        on outputs.record_id = inputs.record_id
    left join verdicts
        on outputs.prediction_id = verdicts.prediction_id and verdicts.scorer_version = @scorer_version
    left join others
        on outputs.prediction_id = others.prediction_id
    order by prediction_id
    """,
    (
        ("task", "STRING"),
        ("run_id", "STRING"),
        ("data_date", "DATE"),
        ("scorer", "STRING"),
        ("scorer_version", "STRING"),
    ),
)

SAMPLE_LABELS = Statement(
    """
    with assignments as (
        select sample_id, prediction_id, purpose, role, annotator, stratum, stratum_size, inclusion_probability
        from annotations_queue
        where
            task = @task
            and run_id = @run_id
            and data_date = @data_date
            and scorer = @scorer
            and scorer_version = @question_version
        qualify row_number() over (partition by assignment_id order by landed_at desc, occurred_at desc) = 1
    ),

    drawn as (
        select
            sample_id,
            prediction_id,
            max(stratum) as stratum,
            max(stratum_size) as stratum_size,
            max(inclusion_probability) as inclusion_probability
        from assignments
        where purpose = 'calibration' and (@sample_id = '' or sample_id = @sample_id)
        group by sample_id, prediction_id
    ),

    triaged as (
        select distinct prediction_id
        from assignments
        where purpose = 'triage'
    ),

    adjudicators as (
        select distinct prediction_id, annotator
        from assignments
        where role = 'adjudicate' and annotator is not null
    ),

    labels as (
        select
            prediction_id,
            annotator,
            coalesce(annotator_kind, 'expert') as annotator_kind,
            label,
            value,
            passed,
            status,
            occurred_at
        from scores
        where
            task = @task
            and run_id = @run_id
            and data_date = @data_date
            and scorer_kind = 'human'
            and scorer = @scorer
            and scorer_version = @question_version
        qualify row_number() over (partition by score_id order by landed_at desc, occurred_at desc) = 1
    )

    select
        drawn.sample_id as sample_id,
        coalesce(drawn.prediction_id, labels.prediction_id) as prediction_id,
        drawn.stratum as stratum,
        drawn.stratum_size as stratum_size,
        drawn.inclusion_probability as inclusion_probability,
        triaged.prediction_id is not null as is_triaged,
        labels.annotator as annotator,
        labels.annotator_kind as annotator_kind,
        adjudicators.annotator is not null as is_adjudication,
        labels.label as label,
        labels.value as value,
        labels.passed as passed,
        labels.status as status,
        labels.occurred_at as labeled_at
    from drawn
    full outer join labels
        on drawn.prediction_id = labels.prediction_id
    left join adjudicators
        on labels.prediction_id = adjudicators.prediction_id and labels.annotator = adjudicators.annotator
    left join triaged
        on labels.prediction_id = triaged.prediction_id
    order by prediction_id, annotator, sample_id
    """,
    (
        ("task", "STRING"),
        ("run_id", "STRING"),
        ("data_date", "DATE"),
        ("scorer", "STRING"),
        ("question_version", "STRING"),
        ("sample_id", "STRING"),
    ),
)
