with

rules as (

    select * from {{ ref('int_gate_rules_unnested') }}

),

gates as (

    select * from {{ ref('rpt_gates') }}

),

final as (

    select
        rules.gate_id,
        rules.rule_number,
        rules.task,
        rules.data_date,
        rules.decided_at,
        gates.decision,
        gates.is_latest,
        gates.candidate_variant,
        gates.champion_variant,
        gates.population,
        rules.rule_name,
        rules.rule_type,
        rules.metric,
        rules.slice,
        rules.bar,
        rules.state,
        rules.unwaived_state,
        rules.reason,
        rules.value,
        rules.lower,
        rules.upper,
        rules.n,
        rules.method,
        rules.status,
        rules.p_passing,
        rules.adjusted_p,
        rules.evidence_ids,
        rules.waiver_owner,
        rules.waiver_reason,
        rules.waiver_expires_on,
        rules.is_waiver_expired,
    from rules
    inner join gates
        on rules.gate_id = gates.gate_id

)

select * from final
