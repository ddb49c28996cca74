with

responses as (

    select * from {{ ref('fct_responses') }}

),

final as (

    select
        run_id,
        count(*) as calls,
        countif(is_unpriced) as n_unpriced_calls,
        countif(billing = 'unknown') as n_billing_unknown_calls,
        sum(coalesce(cost_usd, 0)) as cost_usd,
        sum(if(is_judge, coalesce(cost_usd, 0), 0)) as judge_cost_usd,
        sum(coalesce(cost_usd, cost_upper_usd, 0)) as cost_upper_usd,
        if(
            countif(is_unreferenced) = 0 and countif(reference_cost_usd is not null) > 0,
            sum(reference_cost_usd),
            null
        ) as reference_cost_usd,
    from responses
    group by run_id

)

select * from final
