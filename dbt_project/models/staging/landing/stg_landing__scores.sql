{#
    Generated from assay/warehouse/schemas/scores.json; do not edit.
    `python -m assay.warehouse.dbt_sources --write` writes it.
-#}
with

source as (

    select * from {{ source('landing', 'scores') }}

),

deduplicated as (

    {{ deduplicate_landing('source', key=['score_id'], keep='latest') }}

),

final as (

    select
        data_date,
        occurred_at,
        landed_at,
        row_hash,
        tenant_id,
        score_id,
        prediction_id,
        run_id,
        task,
        record_id,
        epoch,
        scorer,
        scorer_kind,
        scorer_version,
        judge_epoch,
        annotator,
        annotator_kind,
        value,
        label,
        passed,
        status,
        explanation,
        call_id,
        subject_key,
        masking_version,
        expected_label,
        gives,
    from deduplicated

)

select * from final
