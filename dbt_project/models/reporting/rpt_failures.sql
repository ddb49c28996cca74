with

predictions as (

    select * from {{ ref('fct_predictions') }}

),

failed as (

    select
        run_id,
        task,
        data_date,
        variant,
        stage,
        status,
        coalesce(error_type, 'none') as error_type,
        count(*) as n_predictions,
    from predictions
    where status not in ('ok', 'repaired')
    group by
        run_id,
        task,
        data_date,
        variant,
        stage,
        status,
        coalesce(error_type, 'none')

),

totals as (

    select
        run_id,
        count(*) as n_run_predictions,
    from predictions
    group by run_id

),

final as (

    select
        failed.*,
        totals.n_run_predictions,
        failed.n_predictions / totals.n_run_predictions as share_of_run,
    from failed
    inner join totals
        on failed.run_id = totals.run_id

)

select * from final
