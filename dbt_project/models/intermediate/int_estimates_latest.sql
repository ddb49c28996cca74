with

estimates as (

    select * from {{ ref('stg_landing__estimates') }}

),

-- What was measured of a run by itself bears the run's id, evaluations bear their own.
-- Scored again, a rate may have got another method: the newest row counts.
of_runs as (

    select * from estimates
    where evaluation_id = run_id
    qualify
        row_number() over (
            partition by
                run_id,
                task,
                inference_version,
                metric,
                coalesce(scorer, ''),
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
    from of_runs

)

select * from final
