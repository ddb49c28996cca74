with

predictions as (

    select * from {{ ref('stg_landing__predictions') }}

),

records as (

    select * from {{ ref('stg_landing__records') }}

),

runs as (

    select * from {{ ref('int_runs_merged') }}

),

-- Population comes from the record; whether a prediction counts at all comes from the run.
-- Rates count the first outcome of a request; a later one only changes what is delivered.
final as (

    select
        predictions.prediction_id,
        predictions.data_date,
        greatest(
            predictions.landed_at,
            coalesce(runs.landed_at, predictions.landed_at),
            coalesce(records.landed_at, predictions.landed_at)
        ) as landed_at,
        predictions.tenant_id,
        predictions.run_id,
        predictions.task,
        predictions.request_key,
        predictions.record_id,
        predictions.epoch,
        predictions.variant,
        predictions.stage,
        predictions.inference_version,
        runs.golden_set_version,
        runs.task_version_id,
        runs.purpose,
        coalesce(runs.run_status, 'running') as run_status,
        runs.run_finished_at,
        coalesce(records.population, 'unknown') as population,
        case
            when records.population like 'golden:%' then 'golden'
            else coalesce(records.population, 'unknown')
        end as population_kind,
        records.cluster_id,
        records.slices,
        coalesce(predictions.first_status, predictions.status) as status,
        predictions.status as delivered_status,
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
        if(
            predictions.answer_source = 'adopted',
            predictions.adopted_latency_ms,
            predictions.end_to_end_ms
        ) as end_to_end_ms,
        predictions.adopted_model,
        predictions.adopted_cost_usd,
    from predictions
    left join runs
        on predictions.run_id = runs.run_id
    left join records
        on
            predictions.run_id = records.run_id
            and predictions.record_id = records.record_id

)

select * from final
