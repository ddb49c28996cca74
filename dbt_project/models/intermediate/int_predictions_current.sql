with

predictions as (

    select * from {{ ref('int_predictions_enriched') }}

),

-- A failed, interrupted or unfinished run never replaces a completed one.
completed as (

    select * from predictions
    where run_status = 'completed'

),

-- Golden cases and input rows may share ids, so they are ranked separately.
current_predictions as (

    select *
    from completed
    where true
    qualify
        row_number() over (
            partition by
                tenant_id, task, stage, variant, data_date, population_kind, record_id, epoch
            order by run_finished_at desc, run_id desc
        ) = 1

),

final as (

    select
        prediction_id,
        data_date,
        run_id,
        task,
        population_kind,
    from current_predictions

)

select * from final
