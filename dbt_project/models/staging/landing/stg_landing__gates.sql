{#
    Generated from assay/warehouse/schemas/gates.json; do not edit.
    `python -m assay.warehouse.dbt_sources --write` writes it.
-#}
with

source as (

    select * from {{ source('landing', 'gates') }}

),

deduplicated as (

    {{ deduplicate_landing('source', key=['gate_id'], keep='latest') }}

),

final as (

    select
        data_date,
        occurred_at,
        landed_at,
        row_hash,
        tenant_id,
        gate_id,
        evaluation_id,
        task,
        decision,
        stage,
        on_inconclusive,
        is_blocking,
        candidate_variant,
        candidate_run_id,
        candidate_inference_version,
        candidate_task_version_id,
        candidate_git_sha,
        champion_variant,
        champion_run_id,
        champion_inference_version,
        champion_git_sha,
        population,
        rules,
        golden_set_version,
        policy_version,
        decided_by,
        code_version,
        look,
        look_error,
    from deduplicated

)

select * from final
