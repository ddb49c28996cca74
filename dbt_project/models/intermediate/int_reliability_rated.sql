with

counted as (

    select * from {{ ref('int_reliability_counted') }}

),

shares as (

    select
        *,
        n_eligible - n_unscored as n_scored,
        safe_divide(n_unscored, n_eligible) as unscored_share,
        safe_divide(n_correct, n_eligible) as worst_case,
        safe_divide(n_correct + n_unscored, n_eligible) as best_case,
        safe_divide(n_answered_correct, n_answered) as answered_correct_share,
    from counted

),

final as (

    select
        *,
        if(n_scored > 0, worst_case, null) as reliability,
        if(n_answered_scored > 0, answered_correct_share, null) as quality_when_answered,
        case
            when n_eligible = 0 then 'too_few'
            when epochs > 1 then 'several_epochs'
            when n_clusters < n_eligible then 'clustered'
            when least(n_correct, n_incorrect) < {{ var('fewest_outcomes') }} then 'too_few'
            when n_unscored > 0 then 'unscored'
            else 'ok'
        end as counted_status,
    from shares

)

select * from final
