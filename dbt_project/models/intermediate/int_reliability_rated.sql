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
        safe_divide(n_answered_correct, n_answered_scored) as quality_when_answered,
    from counted

),

final as (

    select
        *,
        case
            when unscored_share <= {{ var('max_unscored_share') }}
                then safe_divide(n_correct, n_scored)
        end as reliability,
        case
            when n_eligible = 0 then 'too_few'
            when unscored_share > {{ var('max_unscored_share') }} then 'unscored'
            when epochs > 1 then 'several_epochs'
            when n_clusters < n_eligible then 'clustered'
            when least(n_correct, n_incorrect) < {{ var('fewest_outcomes') }} then 'too_few'
            else 'ok'
        end as counted_status,
    from shares

)

select * from final
