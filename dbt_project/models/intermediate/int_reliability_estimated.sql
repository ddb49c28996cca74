with

rated as (

    select * from {{ ref('int_reliability_rated') }}

),

estimates as (

    select * from {{ ref('int_estimates_latest') }}
    where scorer is null

),

-- An estimate covers one run. It is used only where the rate comes from that run alone and is
-- that of the same predictions, unscored ones included: not where a later run replaced a part of
-- them or other scores landed since, nor where an earlier version counted scored ones only.
matched as (

    select
        rated.*,
        estimates.estimate_id,
        estimates.method as estimate_method,
        estimates.low as estimate_low,
        estimates.high as estimate_high,
        estimates.effective_n as estimate_effective_n,
        estimates.status as estimate_status,
        estimates.reason as estimate_reason,
        estimates.details as estimate_details,
        coalesce(
            estimates.status != 'none'
            and estimates.n = rated.n_eligible
            and {{ has_share('estimates', 'worst', 'rated.worst_case') }}
            and {{ has_share('estimates', 'best', 'rated.best_case') }},
            false
        ) as is_estimated,
    from rated
    left join estimates
        on
            rated.n_runs = 1
            and rated.last_run_id = estimates.run_id
            and rated.task = estimates.task
            and rated.inference_version = estimates.inference_version
            and rated.population = estimates.population
            and rated.slice = estimates.slice
            and estimates.metric = 'reliability'

),

final as (

    select
        matched.*,
        if(matched.is_estimated, quality.low, null) as quality_low,
        if(matched.is_estimated, quality.high, null) as quality_high,
        if(matched.is_estimated, quality.method, null) as quality_method,
        if(matched.is_estimated, quality.status, null) as quality_interval_status,
    from matched
    left join estimates as quality
        on
            matched.last_run_id = quality.run_id
            and matched.task = quality.task
            and matched.inference_version = quality.inference_version
            and matched.population = quality.population
            and matched.slice = quality.slice
            and quality.metric = 'quality_when_answered'
            and matched.n_answered = quality.n
            and abs(
                coalesce(quality.worst, quality.value) - matched.answered_correct_share
            ) < 1e-9

)

select * from final
