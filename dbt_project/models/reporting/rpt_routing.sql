with

runs as (

    select * from {{ ref('int_runs_built') }}

),

calls as (

    select * from {{ ref('int_route_calls_summed') }}

),

outputs as (

    select
        run_id,
        route,
        count(*) as n_answers,
        countif(answer_source = 'wire') as n_wire,
        countif(is_compared) as n_compared,
        countif(is_routed and not is_compared) as n_uncompared,
        sum(if(is_compared, request_cost_usd, null)) as compared_cost_usd,
        sum(if(is_compared, counterfactual_cost_usd, null)) as counterfactual_cost_usd,
    from {{ ref('int_predictions_routed') }}
    group by run_id, route

),

escalations as (

    select
        run_id,
        route,
        count(*) as n_escalated,
        countif(reason_kind = 'no_valid_answer') as n_escalated_no_valid_answer,
        countif(reason_kind = 'check') as n_escalated_check,
        countif(reason_kind = 'confidence') as n_escalated_confidence,
    from {{ ref('int_escalations_unnested') }}
    group by run_id, route

),

-- A route may have escalated every request, or have cached predictions only.
routes as (

    select
        run_id,
        route,
    from calls

    union distinct

    select
        run_id,
        route,
    from outputs

    union distinct

    select
        run_id,
        route,
    from escalations

),

final as (

    select
        routes.run_id,
        runs.task,
        runs.data_date,
        runs.variant,
        runs.stage,
        runs.purpose,
        runs.run_status,
        routes.route,
        coalesce(calls.n_asked, 0) as n_asked,
        coalesce(outputs.n_answers, 0) as n_answers,
        coalesce(outputs.n_wire, 0) as n_wire,
        safe_divide(
            coalesce(outputs.n_answers, 0),
            sum(outputs.n_answers) over (partition by routes.run_id)
        ) as share_of_answers,
        coalesce(escalations.n_escalated, 0) as n_escalated,
        coalesce(escalations.n_escalated_no_valid_answer, 0) as n_escalated_no_valid_answer,
        coalesce(escalations.n_escalated_check, 0) as n_escalated_check,
        coalesce(escalations.n_escalated_confidence, 0) as n_escalated_confidence,
        if(calls.run_id is null, 0, calls.cost_usd) as cost_usd,
        coalesce(calls.n_unpriced_calls, 0) as n_unpriced_calls,
        coalesce(outputs.n_compared, 0) as n_compared,
        coalesce(outputs.n_uncompared, 0) as n_uncompared,
        outputs.compared_cost_usd,
        outputs.counterfactual_cost_usd,
        outputs.counterfactual_cost_usd - outputs.compared_cost_usd as routing_saved_usd,
    from routes
    inner join runs
        on routes.run_id = runs.run_id
    left join calls
        on routes.run_id = calls.run_id and routes.route = calls.route
    left join outputs
        on routes.run_id = outputs.run_id and routes.route = outputs.route
    left join escalations
        on routes.run_id = escalations.run_id and routes.route = escalations.route

)

select * from final
