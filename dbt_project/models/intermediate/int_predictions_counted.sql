with

predictions as (

    select * from {{ ref('fct_predictions') }}
    where is_current

),

-- A golden set run on two days is not twice the sample: only its newest day counts.
newest_golden_sets as (

    select
        tenant_id,
        task,
        stage,
        variant,
        inference_version,
        population,
        golden_set_version,
        data_date,
    from predictions
    where population_kind = 'golden'
    qualify
        row_number() over (
            partition by tenant_id, task, stage, variant, inference_version, population
            order by data_date desc, finished_at desc, prediction_id desc
        ) = 1

),

final as (

    select predictions.*
    from predictions
    left join newest_golden_sets
        on
            predictions.tenant_id = newest_golden_sets.tenant_id
            and predictions.task = newest_golden_sets.task
            and predictions.stage = newest_golden_sets.stage
            and predictions.variant = newest_golden_sets.variant
            and predictions.inference_version = newest_golden_sets.inference_version
            and predictions.population = newest_golden_sets.population
            and predictions.golden_set_version = newest_golden_sets.golden_set_version
            and predictions.data_date = newest_golden_sets.data_date
    where
        predictions.population_kind != 'golden'
        or newest_golden_sets.task is not null

)

select * from final
