with

rates as (

    select * from {{ ref('rpt_run_reliability') }}
    where slice = 'overall' and is_whole

),

-- The latest whole run of a day is the one that its current predictions come from.
final as (

    select
        task,
        stage,
        variant,
        data_date,
        population,
        run_id,
        inference_version,
        n_eligible as n,
        n_correct,
        n_unscored,
        reliability as value,
        low,
        high,
        method,
        effective_n,
        interval_status,
        interval_reason,
        n_delivered_correct,
        delivered_rate,
    from rates
    where true
    qualify
        row_number() over (
            partition by task, stage, variant, data_date, population
            order by run_finished_at desc, run_id desc
        ) = 1

)

select * from final
