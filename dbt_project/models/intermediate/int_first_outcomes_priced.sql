with

predictions as (

    select * from {{ ref('fct_predictions') }}

),

responses as (

    select * from {{ ref('fct_responses') }}

),

-- A rate counts the first outcome of a request, so its cost is that of the calls that made it, in
-- whatever run they were paid for.
outcomes as (

    select
        predictions.prediction_id,
        predictions.run_id as of_run_id,
        predictions.task,
        predictions.first_prediction_id is not null and firsts.prediction_id is null as is_lost,
        coalesce(
            firsts.answer_source,
            if(firsts.prediction_id is null, predictions.answer_source, null),
            'wire'
        ) as source,
        coalesce(firsts.call_id, predictions.call_id) as call_id,
        coalesce(firsts.run_id, predictions.run_id) as run_id,
        coalesce(firsts.request_key, predictions.request_key) as request_key,
        if(
            firsts.prediction_id is null, predictions.adopted_cost_usd, firsts.adopted_cost_usd
        ) as adopted_cost_usd,
    from predictions
    left join predictions as firsts
        on
            predictions.task = firsts.task
            and predictions.first_prediction_id = firsts.prediction_id

),

request_costs as (

    select
        run_id,
        request_key,
        logical_or(is_unpriced) as is_unpriced,
        countif(billing = 'unknown') as n_billing_unknown_calls,
        sum(coalesce(cost_usd, 0)) as cost_usd,
        sum(coalesce(cost_usd, cost_upper_usd, 0)) as cost_upper_usd,
        sum(reference_cost_usd) as reference_cost_usd,
        countif(is_unreferenced) as n_unreferenced,
    from responses
    where not is_judge and purpose != 'embedding'
    group by run_id, request_key

),

-- A cached prediction costs what the request did whose response it repeats.
requested as (

    select
        outcomes.* except (run_id, request_key, is_lost),
        outcomes.is_lost
        or (outcomes.source not in ('wire', 'adopted') and responses.call_id is null) as is_lost,
        if(outcomes.source = 'wire', outcomes.run_id, responses.run_id) as run_id,
        if(outcomes.source = 'wire', outcomes.request_key, responses.request_key) as request_key,
    from outcomes
    left join responses
        on
            outcomes.source not in ('wire', 'adopted')
            and outcomes.task = responses.task
            and outcomes.call_id = responses.call_id

),

final as (

    select
        requested.prediction_id,
        requested.of_run_id as run_id,
        coalesce(request_costs.n_billing_unknown_calls, 0) as n_billing_unknown_calls,
        case
            when requested.is_lost or request_costs.is_unpriced then null
            when requested.source = 'adopted' then requested.adopted_cost_usd
            else coalesce(request_costs.cost_usd, 0)
        end as cost_usd,
        case
            when requested.is_lost or request_costs.is_unpriced then null
            when requested.source = 'adopted' then requested.adopted_cost_usd
            else coalesce(request_costs.cost_upper_usd, 0)
        end as cost_upper_usd,
        request_costs.reference_cost_usd,
        coalesce(request_costs.n_unreferenced, 0) + if(requested.is_lost, 1, 0) as n_unreferenced,
    from requested
    left join request_costs
        on
            requested.run_id = request_costs.run_id
            and requested.request_key = request_costs.request_key

)

select * from final
