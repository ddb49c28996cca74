with

splits as (

    select * from {{ ref('int_gate_splits_hashed') }}

),

-- A golden run of both splits has seen the gate split, too.
runs as (

    select * from {{ ref('stg_landing__runs') }}
    where
        event = 'finished'
        and status = 'completed'
        and (starts_with(input_source, 'golden@') or starts_with(input_source, 'golden:gate@'))

),

looks as (

    select
        splits.task,
        splits.gate_split_hash,
        count(distinct runs.run_id) as n_runs,
        count(distinct runs.inference_version) as n_inference_versions,
        min(runs.occurred_at) as first_asked_at,
        max(runs.occurred_at) as last_asked_at,
    from splits
    inner join runs
        on
            splits.task = runs.task
            and splits.golden_set_version = runs.golden_set_version
    group by splits.task, splits.gate_split_hash

),

final as (

    select
        splits.task,
        splits.golden_set_version,
        splits.gate_split_hash,
        splits.n_gate_cases,
        splits.first_used_at,
        coalesce(looks.n_runs, 0) as n_runs,
        coalesce(looks.n_inference_versions, 0) as n_inference_versions,
        looks.first_asked_at,
        looks.last_asked_at,
        coalesce(
            looks.last_asked_at = max(looks.last_asked_at) over (partition by splits.task),
            false
        ) as is_latest,
    from splits
    left join looks
        on
            splits.task = looks.task
            and splits.gate_split_hash = looks.gate_split_hash

)

select * from final
