with

runs as (

    select * from {{ ref('int_runs_merged') }}

),

predictions as (

    select
        run_id,
        max(landed_at) as landed_at,
    from {{ ref('fct_predictions') }}
    group by run_id

),

-- Runs are live, and facts are as of the last build: facts from before the newest row of their run
-- do not describe it in the state which that row has.
final as (

    select runs.*
    from runs
    inner join predictions
        on
            runs.run_id = predictions.run_id
            and runs.landed_at <= predictions.landed_at

)

select * from final
