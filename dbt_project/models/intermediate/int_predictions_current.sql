with

predictions as (

    select * from {{ ref('int_predictions_enriched') }}

),

whole_runs as (

    select run_id
    from {{ ref('int_runs_counted') }}
    where is_whole

),

-- A run that is unfinished, limited or cut short by a budget never replaces a whole one.
completed as (

    select predictions.*
    from predictions
    inner join whole_runs
        on predictions.run_id = whole_runs.run_id

),

-- Golden cases and input rows may share ids, so they are ranked separately. All epochs of a record
-- are from one run: those of an earlier run with more epochs may be of another version.
current_predictions as (

    select *
    from completed
    where true
    qualify
        rank() over (
            partition by
                tenant_id, task, stage, variant, data_date, population_kind, record_id
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
