{#
    Generated from assay/warehouse/schemas/predictions.json; do not edit.
    `python -m assay.warehouse.dbt_sources --write` writes it.
-#}
with

source as (

    select * from {{ source('landing', 'predictions') }}

),

deduplicated as (

    {{ deduplicate_landing('source', key=['prediction_id'], keep='first') }}

),

final as (

    select
        data_date,
        occurred_at,
        landed_at,
        row_hash,
        tenant_id,
        prediction_id,
        run_id,
        task,
        request_key,
        record_id,
        epoch,
        variant,
        stage,
        inference_version,
        input_hash,
        status,
        answer_source,
        output,
        route,
        routing,
        counterfactual_cost_usd,
        call_id,
        history_turns,
        calls,
        error_type,
        error_message,
        started_at,
        finished_at,
        end_to_end_ms,
        subject_key,
        masking_version,
        first_prediction_id,
        first_status,
        first_finished_at,
        adopted_model,
        adopted_cost_usd,
        adopted_latency_ms,
        adopted_input_tokens,
        adopted_output_tokens,
    from deduplicated

)

select * from final
