{{
    config(
        materialized='incremental',
        incremental_strategy='merge',
        unique_key='prediction_id',
        on_schema_change='append_new_columns',
        partition_by={'field': 'data_date', 'data_type': 'date'},
        cluster_by=['task', 'run_id'],
    )
}}

with

predictions as (

    select * from {{ ref('int_predictions_enriched') }}
    {% if is_incremental() %}
        where {{ in_touched_days([ref('int_predictions_judged')]) }}
    {% endif %}

),

current_predictions as (

    select * from {{ ref('int_predictions_current') }}

),

judged as (

    select * from {{ ref('int_predictions_judged') }}

),

delivered as (

    select * from {{ ref('int_predictions_delivered') }}

),

final as (

    select
        predictions.prediction_id,
        predictions.data_date,
        judged.landed_at,
        predictions.tenant_id,
        predictions.run_id,
        predictions.task,
        predictions.request_key,
        predictions.record_id,
        predictions.epoch,
        predictions.variant,
        predictions.stage,
        predictions.purpose,
        predictions.inference_version,
        predictions.golden_set_version,
        predictions.task_version_id,
        predictions.run_status,
        predictions.population,
        predictions.population_kind,
        predictions.cluster_id,
        predictions.slices,
        predictions.delivered_status as status,
        predictions.status as first_status,
        predictions.first_prediction_id,
        predictions.answer_source,
        predictions.route,
        predictions.routing,
        predictions.counterfactual_cost_usd,
        predictions.call_id,
        predictions.calls,
        predictions.error_type,
        predictions.started_at,
        predictions.finished_at,
        predictions.end_to_end_ms,
        predictions.adopted_model,
        predictions.adopted_cost_usd,
        current_predictions.prediction_id is not null as is_current,
        judged.is_eligible,
        judged.is_answered,
        judged.is_correct,
        if(
            predictions.delivered_status = predictions.status,
            judged.is_correct,
            delivered.is_delivered_correct
        ) as is_delivered_correct,
    from predictions
    inner join judged
        on predictions.prediction_id = judged.prediction_id
    left join current_predictions
        on predictions.prediction_id = current_predictions.prediction_id
    left join delivered
        on predictions.prediction_id = delivered.prediction_id

)

select * from final
