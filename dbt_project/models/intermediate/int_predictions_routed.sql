with

predictions as (

    select * from {{ ref('fct_predictions') }}
    where answer_source is not null and route is not null

),

responses as (

    select * from {{ ref('fct_responses') }}
    where purpose in ('answer', 'repair')

),

-- The cost of a request includes calls to routes that it was escalated from.
requests as (

    select
        run_id,
        request_key,
        if(countif(cost_usd is null) = 0, sum(cost_usd), null) as cost_usd,
    from responses
    group by run_id, request_key

),

-- With one route only, or without a call in this run, there is nothing to compare.
priced as (

    select
        predictions.prediction_id,
        predictions.run_id,
        predictions.answer_source,
        predictions.route,
        predictions.counterfactual_cost_usd,
        requests.cost_usd as request_cost_usd,
        coalesce(
            predictions.answer_source = 'wire'
            and array_length(json_query_array(predictions.routing, '$.routes')) > 1,
            false
        ) as is_routed,
    from predictions
    left join requests
        on
            predictions.run_id = requests.run_id
            and predictions.request_key = requests.request_key

),

final as (

    select
        *,
        is_routed
        and counterfactual_cost_usd is not null
        and request_cost_usd is not null
            as is_compared,
    from priced

)

select * from final
