{#
    Generated from assay/warehouse/schemas/responses.json; do not edit.
    `python -m assay.warehouse.dbt_sources --write` writes it.
-#}
with

source as (

    select * from {{ source('landing', 'responses') }}

),

deduplicated as (

    {{ deduplicate_landing('source', key=['call_id'], keep='first') }}

),

final as (

    select
        data_date,
        occurred_at,
        landed_at,
        row_hash,
        tenant_id,
        call_id,
        run_id,
        task,
        request_key,
        record_id,
        epoch,
        attempt,
        purpose,
        route,
        provider,
        request_model,
        response_model,
        response_id,
        status,
        error_type,
        error_message,
        http_status,
        finish_reason,
        usage,
        input_tokens,
        output_tokens,
        uncached_input_tokens,
        cached_input_tokens,
        cache_write_tokens,
        answer_tokens,
        reasoning_tokens,
        started_at,
        latency_ms,
        time_to_first_token_ms,
        queue_ms,
        service_tier,
        is_batch,
        cost_usd,
        price_source,
        cost_upper_usd,
        billing,
        reference_model,
        reference_cost_usd,
        reference_price_source,
        trace_id,
    from deduplicated

)

select * from final
