with

counted as (

    select * from {{ ref('int_runs_sliced') }}

),

shares as (

    select
        *,
        safe_divide(n_correct, n_eligible) as worst_case,
        safe_divide(n_correct + n_unscored, n_eligible) as best_case,
        safe_divide(n_answered_correct, n_answered) as answered_correct_share,
        safe_divide(n_delivered_correct, n_eligible) as delivered_share,
    from counted

),

final as (

    select
        *,
        if(n_unscored < n_eligible, worst_case, null) as reliability,
        if(n_delivered_unscored < n_eligible, delivered_share, null) as delivered_rate,
        if(n_answered_scored > 0, answered_correct_share, null) as quality_when_answered,
        epochs = 1
        and n_clusters = n_eligible
        and least(n_correct, n_incorrect) >= {{ var('fewest_outcomes') }}
            as is_wilson_valid,
    from shares

)

select * from final
