{#
    Generated from assay/warehouse/schemas/semantic_cache.json; do not edit.
    `python -m assay.warehouse.dbt_sources --write` writes it.
-#}
with

source as (

    select * from {{ source('landing', 'semantic_cache') }}

),

deduplicated as (

    {{ deduplicate_landing('source', key=['entry_id'], keep='latest') }}

),

final as (

    select
        data_date,
        occurred_at,
        landed_at,
        row_hash,
        tenant_id,
        entry_id,
        run_id,
        task,
        record_id,
        epoch,
        inference_version,
        provider,
        request_model,
        response_model,
        embedding_provider,
        embedding_model,
        embedding,
        output,
        confidence,
        route,
        call_id,
        expires_at,
        subject_key,
        masking_version,
    from deduplicated

)

select * from final
