with

predictions as (

    select * from {{ ref('fct_predictions') }}
    where
        answer_source = 'wire'
        or (answer_source = 'adopted' and end_to_end_ms is not null)

),

responses as (

    select * from {{ ref('fct_responses') }}

),

-- Batch, cached and reused predictions are excluded, because no one waited for them. An adopted
-- prediction has the latency that its source states, and no route or model of a call.
final as (

    select
        predictions.prediction_id,
        predictions.run_id,
        predictions.end_to_end_ms,
        responses.data_date,
        responses.task,
        responses.route,
        responses.provider,
        responses.request_model,
    from predictions
    left join responses
        on predictions.call_id = responses.call_id
    where not coalesce(responses.is_batch, false)

)

select * from final
