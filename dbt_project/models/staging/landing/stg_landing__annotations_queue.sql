{#
    Generated from assay/warehouse/schemas/annotations_queue.json; do not edit.
    `python -m assay.warehouse.dbt_sources --write` writes it.
-#}
with

source as (

    select * from {{ source('landing', 'annotations_queue') }}

),

deduplicated as (

    {{ deduplicate_landing('source', key=['assignment_id'], keep='latest') }}

),

final as (

    select
        data_date,
        occurred_at,
        landed_at,
        row_hash,
        tenant_id,
        assignment_id,
        sample_id,
        event,
        run_id,
        task,
        inference_version,
        prediction_id,
        record_id,
        epoch,
        scorer,
        scorer_version,
        annotator,
        role,
        slot,
        is_blind,
        purpose,
        sampling_design,
        sampling_parameters,
        frame,
        frame_size,
        frame_hash,
        stratum,
        stratum_size,
        inclusion_probability,
        position,
        seed,
        requested_by,
    from deduplicated

)

select * from final
