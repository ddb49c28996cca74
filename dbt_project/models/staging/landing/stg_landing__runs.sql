{#
    Generated from assay/warehouse/schemas/runs.json; do not edit.
    `python -m assay.warehouse.dbt_sources --write` writes it.
-#}
with

source as (

    select * from {{ source('landing', 'runs') }}

),

deduplicated as (

    {{
        deduplicate_landing(
            'source', key=['run_id', 'event'], keep='latest', prefer="status = 'completed'"
        )
    }}

),

final as (

    select
        data_date,
        occurred_at,
        landed_at,
        row_hash,
        tenant_id,
        run_id,
        task,
        event,
        status,
        purpose,
        variant,
        stage,
        task_version_id,
        inference_version,
        golden_set_version,
        policy_version,
        epochs,
        input_source,
        manifest_hash,
        rows_read,
        rows_rejected,
        records,
        expected_predictions,
        predictions,
        calls,
        started_by,
        config,
        reason,
        git_sha,
        code_version,
    from deduplicated

)

select * from final
