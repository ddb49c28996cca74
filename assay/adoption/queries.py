"""SQL statements of adoptions and variant names: promoted versions, landed adopted variants, shared inputs."""

from __future__ import annotations

from assay.warehouse.statement import Statement

ADOPTED_RUNS = Statement(
    """
    with versions as (
        select task_version_id, scorer_versions
        from task_versions
        where task = @task
        qualify row_number() over (partition by task_version_id order by landed_at) = 1
    )

    select
        runs.run_id as run_id,
        runs.data_date as data_date,
        runs.variant as variant,
        runs.input_source as input_source,
        runs.inference_version as inference_version,
        runs.purpose as purpose,
        runs.config as config,
        to_json_string(versions.scorer_versions) as scorer_versions
    from runs
    inner join versions
        on runs.task_version_id = versions.task_version_id
    where
        runs.task = @task
        and runs.event = 'finished'
        and runs.status = 'completed'
        and json_value(runs.config, '$.adoption.answer') is not null
        and json_value(runs.config, '$.limit') is null
    qualify
        row_number() over (
            partition by runs.variant, runs.input_source
            order by runs.occurred_at desc, runs.landed_at desc, runs.run_id asc
        ) = 1
    order by runs.occurred_at desc, runs.run_id asc
    """,
    (("task", "STRING"),),
)

SAME_CONTENT_ADOPTED = Statement(
    """
    with finished as (
        select run_id, status
        from runs
        where task = @task and data_date = @data_date and event = 'finished'
        qualify row_number() over (partition by run_id order by if(status = 'completed', 0, 1), occurred_at desc, landed_at desc) = 1
    )

    select runs.*, finished.status as final_status
    from runs
    left join finished
        on runs.run_id = finished.run_id
    where
        runs.task = @task
        and runs.data_date = @data_date
        and runs.event = 'started'
        and runs.variant = @variant
        and runs.manifest_hash = @manifest_hash
        and runs.task_version_id = @task_version_id
        and json_value(runs.config, '$.adoption.answer') is not null
    qualify row_number() over (partition by runs.run_id order by runs.landed_at) = 1
    order by runs.occurred_at desc
    """,
    (
        ("task", "STRING"),
        ("data_date", "DATE"),
        ("variant", "STRING"),
        ("manifest_hash", "STRING"),
        ("task_version_id", "STRING"),
    ),
)

SHARED_INPUTS = Statement(
    """
    with inputs as (
        select distinct run_id, tenant_id, record_id, input_hash, population
        from records
        where
            task = @task
            and run_id in (@candidate_run_id, @champion_run_id)
            and data_date in (@candidate_date, @champion_date)
    ),

    paired as (
        select
            candidate.record_id as candidate_id,
            champion.record_id as champion_id,
            candidate.input_hash != champion.input_hash as has_other_input,
            candidate.population != champion.population as has_other_population
        from (select * from inputs where run_id = @candidate_run_id) as candidate
        full join (select * from inputs where run_id = @champion_run_id) as champion
            on candidate.tenant_id = champion.tenant_id and candidate.record_id = champion.record_id
    )

    select
        countif(candidate_id is not null) as candidate_records,
        countif(champion_id is not null) as champion_records,
        countif(candidate_id is not null and champion_id is not null) as shared,
        countif(has_other_input) as other_input,
        countif(has_other_population) as other_population
    from paired
    """,
    (
        ("task", "STRING"),
        ("candidate_run_id", "STRING"),
        ("champion_run_id", "STRING"),
        ("candidate_date", "DATE"),
        ("champion_date", "DATE"),
    ),
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
