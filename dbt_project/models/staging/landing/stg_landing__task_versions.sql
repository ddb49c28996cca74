{#
    Generated from assay/warehouse/schemas/task_versions.json; do not edit.
    `python -m assay.warehouse.dbt_sources --write` writes it.
-#}
with

source as (

    select * from {{ source('landing', 'task_versions') }}

),

deduplicated as (

    {{ deduplicate_landing('source', key=['task_version_id'], keep='first') }}

),

final as (

    select
        data_date,
        occurred_at,
        landed_at,
        row_hash,
        tenant_id,
        task,
        task_version_id,
        inference_version,
        golden_set_version,
        policy_version,
        scorer_versions,
        description,
        owner,
        variant,
        templates,
        output_schema,
        parameters,
        routes,
        checks,
        correct_scorers,
        fallback_counts,
        thresholds,
        sla_latency_ms,
        sla_share,
        git_sha,
        code_version,
    from deduplicated

)

select * from final
