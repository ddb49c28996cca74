{{
    config(
        materialized='incremental',
        incremental_strategy='merge',
        unique_key='score_id',
        on_schema_change='append_new_columns',
        partition_by={'field': 'data_date', 'data_type': 'date'},
        cluster_by=['task', 'run_id'],
    )
}}

with

scores as (

    select * from {{ ref('stg_landing__scores') }}

),

predictions as (

    select * from {{ ref('fct_predictions') }}

),

enriched as (

    select
        scores.score_id,
        coalesce(predictions.data_date, scores.data_date) as data_date,
        scores.landed_at,
        scores.tenant_id,
        scores.prediction_id,
        scores.run_id,
        scores.task,
        scores.record_id,
        scores.epoch,
        predictions.variant,
        predictions.stage,
        predictions.inference_version,
        coalesce(predictions.population, 'unknown') as population,
        scores.scorer,
        scores.scorer_kind,
        scores.scorer_version,
        scores.judge_epoch,
        scores.annotator,
        scores.value,
        scores.label,
        scores.passed as is_passed,
        scores.gives,
        scores.status,
        scores.call_id,
        scores.occurred_at as scored_at,
        {{ is_verdict('scores') }} as is_verdict,
        coalesce(predictions.is_current, false) as is_current,
    from scores
    left join predictions
        on scores.prediction_id = predictions.prediction_id

),

final as (

    select * from enriched
    {% if is_incremental() %}
        where {{ in_touched_days([ref('fct_predictions'), ref('stg_landing__scores')]) }}
    {% endif %}

)

select * from final
