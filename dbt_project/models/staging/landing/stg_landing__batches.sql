{#
    Generated from assay/warehouse/schemas/batches.json; do not edit.
    `python -m assay.warehouse.dbt_sources --write` writes it.
-#}
with

source as (

    select * from {{ source('landing', 'batches') }}

),

deduplicated as (

    {{ deduplicate_landing('source', key=['chunk_hash', 'state'], keep='latest') }}

),

final as (

    select
        data_date,
        occurred_at,
        landed_at,
        row_hash,
        tenant_id,
        chunk_hash,
        run_id,
        task,
        state,
        provider,
        request_model,
        route,
        requests,
        first_position,
        first_epoch,
        last_position,
        last_epoch,
        estimate_usd,
        provider_batch_id,
        input_file_id,
        output_file_id,
        error_file_id,
        provider_status,
        submitted_at,
        finished_at,
        lines_answered,
        lines_failed,
        lines_missing,
        reason,
    from deduplicated

)

select * from final
