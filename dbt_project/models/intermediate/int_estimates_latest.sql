with

estimates as (

    select * from {{ ref('stg_landing__estimates') }}

),

-- Estimates of a run by itself have the run's id as evaluation_id; evaluations have their own.
-- Rows of versions without the column `kind` have that id alone.
-- A run that is scored again may use another method: the newest row counts.
run_estimates as (

    select * from estimates
    where coalesce(kind = 'run', true) and evaluation_id = run_id
    qualify
        row_number() over (
            partition by
                run_id,
                task,
                inference_version,
                metric,
                coalesce(scorer, ''),
                coalesce(label, ''),
                population,
                slice
            order by occurred_at desc, landed_at desc, estimate_id desc
        ) = 1

),

final as (

    select
        estimate_id,
        run_id,
        data_date,
        task,
        inference_version,
        metric,
        scorer,
        scorer_version,
        label,
        population,
        slice,
        method,
        value,
        low,
        high,
        n,
        clusters,
        effective_n,
        standard_error,
        worst,
        best,
        status,
        reason,
        details,
    from run_estimates

)

select * from final
