with

rated as (

    select * from {{ ref('int_reliability_rated') }}

),

estimates as (

    select * from {{ ref('stg_landing__estimates') }}
    where metric = 'reliability'
    qualify
        row_number() over (
            partition by run_id, task, inference_version, population, slice
            order by occurred_at desc, landed_at desc, estimate_id desc
        ) = 1

),

-- An estimate speaks of one run, so it stands only where the whole rate comes from that run.
estimated as (

    select
        rated.*,
        estimates.method as estimate_method,
        estimates.low as estimate_low,
        estimates.high as estimate_high,
        coalesce(
            rated.counted_status not in ('ok', 'unscored')
            and rated.n_eligible > 0
            and estimates.status = 'ok'
            and estimates.low is not null
            and estimates.high is not null,
            false
        ) as is_estimated,
    from rated
    left join estimates
        on
            rated.n_runs = 1
            and rated.last_run_id = estimates.run_id
            and rated.task = estimates.task
            and rated.inference_version = estimates.inference_version
            and rated.population = estimates.population
            and rated.slice = estimates.slice

),

final as (

    select
        task,
        stage,
        variant,
        inference_version,
        population,
        slice,
        first_data_date,
        last_data_date,
        n_runs,
        n_predictions,
        n_skipped,
        n_eligible,
        n_correct,
        n_unscored,
        unscored_share,
        reliability,
        worst_case,
        best_case,
        n_answered,
        n_answered_scored,
        quality_when_answered,
        n_clusters,
        epochs,
        case
            when counted_status = 'ok' then {{ wilson_bound('n_correct', 'n_scored', 'low') }}
            when is_estimated then estimate_low
        end as low,
        case
            when counted_status = 'ok' then {{ wilson_bound('n_correct', 'n_scored', 'high') }}
            when is_estimated then estimate_high
        end as high,
        case
            when counted_status = 'ok' then 'wilson'
            when is_estimated then estimate_method
        end as method,
        if(is_estimated, 'ok', counted_status) as interval_status,
    from estimated

)

select * from final
