with

runs as (

    select * from {{ ref('stg_landing__runs') }}

),

started as (

    select * from runs
    where event = 'started'

),

finished as (

    select * from runs
    where event = 'finished'

),

-- A killed run has only its started row; where that row was lost, only its finished row.
final as (

    select
        coalesce(finished.run_id, started.run_id) as run_id,
        coalesce(finished.task, started.task) as task,
        coalesce(finished.tenant_id, started.tenant_id) as tenant_id,
        coalesce(finished.data_date, started.data_date) as data_date,
        greatest(
            coalesce(finished.landed_at, started.landed_at),
            coalesce(started.landed_at, finished.landed_at)
        ) as landed_at,
        coalesce(finished.status, 'running') as run_status,
        coalesce(finished.purpose, started.purpose) as purpose,
        coalesce(finished.variant, started.variant) as variant,
        coalesce(finished.stage, started.stage) as stage,
        coalesce(finished.task_version_id, started.task_version_id) as task_version_id,
        coalesce(finished.inference_version, started.inference_version) as inference_version,
        coalesce(finished.golden_set_version, started.golden_set_version) as golden_set_version,
        coalesce(finished.policy_version, started.policy_version) as policy_version,
        coalesce(finished.epochs, started.epochs) as epochs,
        started.occurred_at as run_started_at,
        finished.occurred_at as run_finished_at,
        coalesce(finished.rows_read, started.rows_read) as rows_read,
        coalesce(finished.rows_rejected, started.rows_rejected) as rows_rejected,
        coalesce(finished.records, started.records) as records,
        coalesce(finished.expected_predictions, started.expected_predictions)
            as expected_predictions,
        coalesce(finished.predictions, started.predictions) as predictions,
        coalesce(finished.calls, started.calls) as calls,
        coalesce(finished.input_source, started.input_source) as input_source,
        cast(
            coalesce(
                json_value(finished.config, '$.limit'), json_value(started.config, '$.limit')
            ) as int64
        ) as row_limit,
    from started
    full outer join finished
        on started.run_id = finished.run_id

)

select * from final
