with

task_versions as (

    select * from {{ ref('stg_landing__task_versions') }}

),

runs as (

    select * from {{ ref('int_runs_merged') }}

),

uses as (

    select
        task_version_id,
        max(coalesce(run_started_at, run_finished_at)) as last_used_at,
        count(*) as n_runs,
    from runs
    group by task_version_id

),

-- The current version is the last used one, because a task may return to an older version.
ranked as (

    select
        task_versions.*,
        coalesce(uses.last_used_at, task_versions.occurred_at) as last_used_at,
        min(task_versions.occurred_at) over (partition by task_versions.task) as first_seen_at,
        count(*) over (partition by task_versions.task) as n_versions,
        sum(coalesce(uses.n_runs, 0)) over (partition by task_versions.task) as n_runs,
    from task_versions
    left join uses
        on task_versions.task_version_id = uses.task_version_id

),

-- The default variant comes first: a candidate variant used last does not define the task.
latest as (

    select *
    from ranked
    where true
    qualify
        row_number() over (
            partition by task
            order by (variant = 'default') desc, last_used_at desc, task_version_id desc
        ) = 1

),

final as (

    select
        task,
        task_version_id,
        variant,
        inference_version,
        golden_set_version,
        policy_version,
        description,
        owner,
        correct_scorers,
        fallback_counts,
        sla_latency_ms,
        sla_share,
        git_sha,
        code_version,
        first_seen_at,
        last_used_at,
        n_versions,
        n_runs,
    from latest

)

select * from final
