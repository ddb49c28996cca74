with

runs as (

    select * from {{ ref('int_runs_merged') }}

),

landed_records as (

    select
        run_id,
        count(*) as n_landed,
    from {{ ref('stg_landing__records') }}
    group by run_id

),

landed_rejected as (

    select
        run_id,
        count(*) as n_landed,
    from {{ ref('stg_landing__rejected_records') }}
    group by run_id

),

landed_predictions as (

    select
        run_id,
        count(*) as n_landed,
        count(distinct concat(record_id, ' ', cast(epoch as string))) as n_requests,
    from {{ ref('stg_landing__predictions') }}
    group by run_id

),

counted as (

    select
        runs.run_id,
        runs.task,
        runs.data_date,
        runs.run_status,
        runs.rows_read,
        runs.rows_rejected,
        runs.records,
        runs.epochs,
        runs.expected_predictions,
        coalesce(landed_records.n_landed, 0) as landed_records,
        coalesce(landed_rejected.n_landed, 0) as landed_rejected,
        coalesce(landed_predictions.n_landed, 0) as landed_predictions,
        coalesce(landed_predictions.n_requests, 0) as landed_requests,
    from runs
    left join landed_records
        on runs.run_id = landed_records.run_id
    left join landed_rejected
        on runs.run_id = landed_rejected.run_id
    left join landed_predictions
        on runs.run_id = landed_predictions.run_id

),

-- Counts reported by the run must equal landed counts; a missing count is not complete.
final as (

    select
        *,
        records * epochs - landed_requests as missing_predictions,
        coalesce(
            rows_read = rows_rejected + records
            and landed_rejected = rows_rejected
            and landed_records = records
            and expected_predictions = records * epochs
            and landed_predictions = records * epochs
            and landed_requests = records * epochs,
            false
        ) as is_complete,
    from counted

)

select * from final
