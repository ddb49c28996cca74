with

runs as (

    select * from {{ ref('int_runs_merged') }}

),

predictions as (

    select
        run_id,
        count(*) as n_predictions,
        countif(status = 'skipped_budget') as n_skipped,
    from {{ ref('stg_landing__predictions') }}
    group by run_id

),

-- With a limit of more rows than the input has, every row was read.
counted as (

    select
        runs.*,
        coalesce(predictions.n_predictions, 0) as n_predictions,
        coalesce(predictions.n_skipped, 0) as n_skipped,
        case
            when runs.run_status != 'completed' then 'not_completed'
            when runs.purpose = 'perturb' then 'perturbed'
            when runs.row_limit <= coalesce(runs.rows_read, runs.row_limit) then 'limited'
            when coalesce(predictions.n_skipped, 0) > 0 then 'out_of_budget'
        end as partial_reason,
    from runs
    left join predictions
        on runs.run_id = predictions.run_id

),

final as (

    select
        *,
        partial_reason is null as is_whole,
    from counted

)

select * from final
