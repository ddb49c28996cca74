with

gates as (

    select * from {{ ref('stg_landing__gates') }}

),

rules as (

    select
        gates.gate_id,
        gates.task,
        gates.data_date,
        gates.occurred_at as decided_at,
        position + 1 as rule_number,
        rule,
    from gates
    cross join unnest(json_query_array(gates.rules)) as rule with offset as position

),

final as (

    select
        gate_id,
        task,
        data_date,
        decided_at,
        rule_number,
        json_value(rule, '$.name') as rule_name,
        json_value(rule, '$.type') as rule_type,
        json_value(rule, '$.metric') as metric,
        json_value(rule, '$.slice') as slice,
        cast(json_value(rule, '$.bar') as float64) as bar,
        json_value(rule, '$.state') as state,
        json_value(rule, '$.unwaived') as unwaived_state,
        json_value(rule, '$.reason') as reason,
        cast(json_value(rule, '$.value') as float64) as value,
        cast(json_value(rule, '$.lower') as float64) as lower,
        cast(json_value(rule, '$.upper') as float64) as upper,
        cast(json_value(rule, '$.n') as int64) as n,
        json_value(rule, '$.method') as method,
        json_value(rule, '$.status') as status,
        cast(json_value(rule, '$.p_passing') as float64) as p_passing,
        cast(json_value(rule, '$.adjusted_p') as float64) as adjusted_p,
        array_to_string(json_value_array(rule, '$.estimate_ids'), ', ') as evidence_ids,
        json_value(rule, '$.waiver.owner') as waiver_owner,
        json_value(rule, '$.waiver.reason') as waiver_reason,
        cast(json_value(rule, '$.waiver.expires') as date) as waiver_expires_on,
        cast(json_value(rule, '$.waiver.expires') as date) < date(decided_at)
            as is_waiver_expired,
    from rules

)

select * from final
