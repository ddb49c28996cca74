{#
    Generated from assay/warehouse/schemas/stages.json; do not edit.
    `python -m assay.warehouse.dbt_sources --write` writes it.
-#}
with

source as (

    select * from {{ source('landing', 'stages') }}

),

deduplicated as (

    {{ deduplicate_landing('source', key=['promotion_id'], keep='first') }}

),

final as (

    select
        data_date,
        occurred_at,
        landed_at,
        row_hash,
        tenant_id,
        promotion_id,
        task,
        variant,
        task_version_id,
        inference_version,
        golden_set_version,
        policy_version,
        scorer_versions,
        from_stage,
        to_stage,
        gate_id,
        approver,
        reason,
        git_sha,
        code_version,
    from deduplicated

)

select * from final
