with

runs as (

    select * from {{ ref('int_runs_counted') }}

),

final as (

    select
        run_id,
        task,
        data_date,
        variant,
        stage,
        purpose,
        inference_version,
        run_status,
        is_whole,
        partial_reason,
        input_source,
        row_limit,
        rows_read,
        rows_rejected,
        records,
        epochs,
        expected_predictions,
        n_predictions,
        n_skipped,
        calls,
        run_started_at,
        run_finished_at,
    from runs

)

select * from final
