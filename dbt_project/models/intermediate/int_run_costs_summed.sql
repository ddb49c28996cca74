with

responses as (

    select * from {{ ref('fct_responses') }}

),

-- Calls and costs of judges are kept apart from those of predictions.
final as (

    select
        run_id,
        countif(not is_judge) as calls,
        countif(is_unpriced and not is_judge) as n_unpriced_calls,
        countif(billing = 'unknown' and not is_judge) as n_billing_unknown_calls,
        sum(if(is_judge, 0, coalesce(cost_usd, 0))) as cost_usd,
        if(
            countif(is_unpriced and is_judge) = 0,
            sum(if(is_judge, coalesce(cost_usd, cost_upper_usd, 0), 0)),
            null
        ) as judge_cost_usd,
        sum(if(is_judge, 0, coalesce(cost_usd, cost_upper_usd, 0))) as cost_upper_usd,
        if(
            countif(is_unreferenced and not is_judge) = 0
            and countif(reference_cost_usd is not null and not is_judge) > 0,
            sum(if(is_judge, null, reference_cost_usd)),
            null
        ) as reference_cost_usd,
    from responses
    group by run_id

)

select * from final
