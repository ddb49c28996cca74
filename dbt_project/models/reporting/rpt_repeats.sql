with

reliability as (

    select * from {{ ref('int_reliability_estimated') }}
    where is_estimated and epochs > 1

),

estimates as (

    select
        *,
        safe_cast(regexp_extract(metric, r'^pass_(?:at|hat)_([0-9]+)$') as int64) as k,
    from {{ ref('int_estimates_latest') }}
    where
        scorer is null
        and (starts_with(metric, 'pass_at_') or starts_with(metric, 'pass_hat_'))

),

pass_at as (

    select * from estimates
    where starts_with(metric, 'pass_at_')

),

pass_hat as (

    select * from estimates
    where starts_with(metric, 'pass_hat_')

),

final as (

    select
        reliability.task,
        reliability.stage,
        reliability.variant,
        reliability.inference_version,
        reliability.population,
        reliability.slice,
        pass_at.k,
        reliability.last_run_id as run_id,
        reliability.last_data_date as data_date,
        reliability.epochs,
        pass_at.n as n_records,
        reliability.n_clusters,
        reliability.reliability,
        pass_at.value as pass_at_k,
        pass_at.low as pass_at_k_low,
        pass_at.high as pass_at_k_high,
        pass_at.method as pass_at_k_method,
        pass_at.status as pass_at_k_status,
        pass_at.reason as pass_at_k_reason,
        pass_hat.value as pass_hat_k,
        pass_hat.low as pass_hat_k_low,
        pass_hat.high as pass_hat_k_high,
        pass_hat.method as pass_hat_k_method,
        pass_hat.status as pass_hat_k_status,
        pass_hat.reason as pass_hat_k_reason,
        {{ variance_part('reliability.estimate_details', 'record') }} as variance_between_records,
        {{ variance_part('reliability.estimate_details', 'epoch') }} as variance_within_records,
        safe_divide(
            {{ variance_part('reliability.estimate_details', 'epoch') }},
            {{ variance_part('reliability.estimate_details', 'total') }}
        ) as within_share,
    from reliability
    inner join pass_at
        on
            reliability.last_run_id = pass_at.run_id
            and reliability.task = pass_at.task
            and reliability.inference_version = pass_at.inference_version
            and reliability.population = pass_at.population
            and reliability.slice = pass_at.slice
    inner join pass_hat
        on
            pass_at.run_id = pass_hat.run_id
            and pass_at.task = pass_hat.task
            and pass_at.inference_version = pass_hat.inference_version
            and pass_at.population = pass_hat.population
            and pass_at.slice = pass_hat.slice
            and pass_at.k = pass_hat.k

)

select * from final
