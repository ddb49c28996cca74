with

estimated as (

    select * from {{ ref('int_reliability_estimated') }}

),

final as (

    select
        task,
        stage,
        variant,
        inference_version,
        population,
        slice,
        first_data_date,
        last_data_date,
        n_runs,
        n_predictions,
        n_skipped,
        n_unjudged,
        n_eligible,
        n_correct,
        n_unscored,
        unscored_share,
        reliability,
        worst_case,
        best_case,
        n_answered,
        n_answered_scored,
        quality_when_answered,
        quality_low,
        quality_high,
        quality_method,
        quality_interval_status,
        n_clusters,
        epochs,
        case
            when counted_status in ('ok', 'unscored')
                then {{ wilson_bound('n_correct', 'n_eligible', 'low') }}
            when is_estimated then estimate_low
        end as low,
        case
            when counted_status in ('ok', 'unscored')
                then {{ wilson_bound('(n_correct + n_unscored)', 'n_eligible', 'high') }}
            when is_estimated then estimate_high
        end as high,
        case
            when counted_status = 'ok' then 'wilson'
            when counted_status = 'unscored' then 'worst_and_best_case'
            when is_estimated then estimate_method
        end as method,
        case
            when counted_status = 'ok' then cast(n_eligible as float64)
            when counted_status = 'unscored' then null
            when is_estimated then estimate_effective_n
        end as effective_n,
        case
            when counted_status in ('ok', 'unscored') then counted_status
            when is_estimated then estimate_status
            else counted_status
        end as interval_status,
        case
            when counted_status = 'ok' then null
            when counted_status = 'unscored' then {{ unscored_reason() }}
            when is_estimated then estimate_reason
            when n_eligible = 0 then 'no prediction'
            when n_runs > 1 then 'no estimate covers several runs'
            else 'no estimate of the run covers exactly these predictions'
        end as interval_reason,
    from estimated

)

select * from final
