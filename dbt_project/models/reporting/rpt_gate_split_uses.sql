with

splits as (

    select * from {{ ref('int_gate_splits_hashed') }}

),

-- A golden run of both splits uses the gate split, too.
runs as (

    select * from {{ ref('stg_landing__runs') }}
    where
        event = 'finished'
        and status = 'completed'
        and (starts_with(input_source, 'golden@') or starts_with(input_source, 'golden:gate@'))

),

uses as (

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
        coalesce(uses.n_runs, 0) as n_runs,
        coalesce(uses.n_inference_versions, 0) as n_inference_versions,
        uses.first_asked_at,
        uses.last_asked_at,
        coalesce(
            uses.last_asked_at = max(uses.last_asked_at) over (partition by splits.task),
            false
        ) as is_latest,
    from splits
    left join uses
        on
            splits.task = uses.task
            and splits.gate_split_hash = uses.gate_split_hash

)

select * from final
