with

cases as (

    select * from {{ ref('stg_landing__golden_cases') }}
    where split = 'gate'

),

-- Golden set versions with the same gate cases count as one split, with all its earlier uses.
final as (

    select
        task,
        golden_set_version,
        to_hex(sha256(string_agg(
            concat(
                case_id,
                '|',
                to_json_string(input),
                '|',
                coalesce(to_json_string(expected), '')
            ),
            '|'
            order by case_id
        ))) as gate_split_hash,
        count(*) as n_gate_cases,
        min(occurred_at) as first_used_at,
    from cases
    group by task, golden_set_version

)

select * from final
