with

predictions as (

    select * from {{ ref('fct_predictions') }}
    where is_eligible

),

costs as (

    select * from {{ ref('int_first_outcomes_priced') }}

),

final as (

    select
        predictions.run_id,
        countif(costs.cost_usd is null) as n_first_unpriced,
        sum(costs.n_billing_unknown_calls) as n_first_billing_unknown_calls,
        if(countif(costs.cost_usd is null) = 0, sum(costs.cost_usd), null) as first_cost_usd,
        if(countif(costs.cost_usd is null) = 0, sum(costs.cost_upper_usd), null)
            as first_cost_upper_usd,
        if(sum(costs.n_unreferenced) = 0, sum(costs.reference_cost_usd), null)
            as first_reference_cost_usd,
    from predictions
    inner join costs
        on predictions.prediction_id = costs.prediction_id
    group by predictions.run_id

)

select * from final
