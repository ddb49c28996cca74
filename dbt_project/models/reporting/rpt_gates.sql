with

gates as (

    select * from {{ ref('stg_landing__gates') }}

),

rules as (

    select
        gate_id,
        count(*) as n_rules,
        countif(state = 'pass') as n_passed,
        countif(state = 'fail') as n_failed,
        countif(state = 'inconclusive') as n_inconclusive,
        countif(state = 'waived') as n_waived,
        countif(state = 'reported') as n_reported,
        countif(is_waiver_expired) as n_expired_waivers,
    from {{ ref('int_gate_rules_unnested') }}
    group by gate_id

),

final as (

    select
        gates.gate_id,
        gates.evaluation_id,
        gates.task,
        gates.data_date,
        gates.occurred_at as decided_at,
        gates.decision,
        gates.is_blocking,
        gates.stage,
        gates.on_inconclusive,
        gates.population,
        coalesce(rules.n_rules, 0) as n_rules,
        coalesce(rules.n_passed, 0) as n_passed,
        coalesce(rules.n_failed, 0) as n_failed,
        coalesce(rules.n_inconclusive, 0) as n_inconclusive,
        coalesce(rules.n_waived, 0) as n_waived,
        coalesce(rules.n_reported, 0) as n_reported,
        coalesce(rules.n_expired_waivers, 0) as n_expired_waivers,
        gates.candidate_variant,
        gates.candidate_run_id,
        gates.candidate_inference_version,
        gates.candidate_task_version_id,
        gates.candidate_git_sha,
        gates.champion_variant,
        gates.champion_run_id,
        gates.champion_inference_version,
        gates.champion_git_sha,
        lag(gates.gate_id) over of_task as previous_gate_id,
        lag(gates.decision) over of_task as previous_decision,
        lag(gates.occurred_at) over of_task as previous_decided_at,
        lead(gates.gate_id) over of_task is null as is_latest,
        gates.look,
        gates.look_error,
        gates.golden_set_version,
        gates.policy_version,
        gates.decided_by,
        gates.code_version,
    from gates
    left join rules
        on gates.gate_id = rules.gate_id
    window of_task as (
        partition by gates.task
        order by gates.occurred_at asc, gates.landed_at asc, gates.gate_id asc
    )

)

select * from final
