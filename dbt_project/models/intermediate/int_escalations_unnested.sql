with

predictions as (

    select * from {{ ref('fct_predictions') }}

),

escalations as (

    select
        predictions.prediction_id,
        predictions.run_id,
        step + 1 as step,
        json_value(escalation, '$.route') as route,
        json_value(escalation, '$.reason') as reason,
    from predictions
    cross join
        unnest(json_query_array(predictions.routing, '$.escalations')) as escalation
        with offset as step

),

-- Any other reason is the error type of a response that was not valid.
final as (

    select
        *,
        case
            when starts_with(reason, 'check:') or starts_with(reason, 'unscored:') then 'check'
            when reason in ('low_confidence', 'no_confidence') then 'confidence'
            else 'no_valid_answer'
        end as reason_kind,
    from escalations

)

select * from final
