{{
    config(
        materialized='incremental',
        incremental_strategy='merge',
        unique_key='call_id',
        on_schema_change='append_new_columns',
        partition_by={'field': 'data_date', 'data_type': 'date'},
        cluster_by=['task', 'run_id'],
    )
}}

with

responses as (

    select * from {{ ref('stg_landing__responses') }}
    {% if is_incremental() %}
        where
            {{ in_touched_days([ref('stg_landing__responses'), ref('int_runs_merged')]) }}
    {% endif %}

),

runs as (

    select * from {{ ref('int_runs_merged') }}

),

-- An unpriced call was billed without a price; one that failed before any token is not unpriced.
-- Embedding calls are never unreferenced, because the reference model is a chat model.
final as (

    select
        responses.call_id,
        responses.data_date,
        responses.landed_at,
        responses.tenant_id,
        responses.run_id,
        responses.task,
        responses.request_key,
        responses.record_id,
        responses.epoch,
        runs.variant,
        runs.stage,
        runs.purpose as run_purpose,
        responses.attempt,
        responses.purpose,
        responses.purpose = 'judge' as is_judge,
        responses.route,
        responses.provider,
        responses.request_model,
        responses.response_model,
        responses.status,
        responses.error_type,
        responses.http_status,
        responses.finish_reason,
        responses.input_tokens,
        responses.output_tokens,
        responses.uncached_input_tokens,
        responses.cached_input_tokens,
        responses.cache_write_tokens,
        responses.answer_tokens,
        responses.reasoning_tokens,
        responses.started_at,
        responses.occurred_at as ended_at,
        responses.latency_ms,
        responses.time_to_first_token_ms,
        responses.queue_ms,
        responses.service_tier,
        responses.is_batch,
        responses.billing,
        responses.cost_usd,
        responses.cost_upper_usd,
        responses.price_source,
        responses.reference_model,
        responses.reference_cost_usd,
        responses.reference_price_source,
        case
            when responses.cost_usd is not null then false
            when responses.billing = 'unknown' then responses.cost_upper_usd is null
            else
                responses.status != 'error'
                or coalesce(responses.input_tokens, responses.output_tokens) is not null
        end as is_unpriced,
        responses.purpose != 'embedding'
        and responses.reference_cost_usd is null
        and coalesce(responses.input_tokens, responses.output_tokens) is not null
            as is_unreferenced,
    from responses
    left join runs
        on responses.run_id = runs.run_id

)

select * from final
