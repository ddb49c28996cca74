with

predictions as (

    select * from {{ ref('int_predictions_counted') }}
    where is_eligible

),

-- Epochs are repeats within a day; on another day the output may differ for other reasons.
repeated as (

    select
        tenant_id,
        task,
        stage,
        variant,
        inference_version,
        population,
        data_date,
        record_id,
        max(run_id) as run_id,
        max(cluster_id) as cluster_id,
        count(distinct epoch) as n_epochs,
        countif(is_correct is not null) as n_scored,
        countif(is_correct) as n_correct,
        string_agg(distinct status, ', ' order by status) as statuses,
    from predictions
    group by
        tenant_id,
        task,
        stage,
        variant,
        inference_version,
        population,
        data_date,
        record_id

),

final as (

    select
        tenant_id,
        task,
        stage,
        variant,
        inference_version,
        population,
        data_date,
        record_id,
        run_id,
        cluster_id,
        n_epochs,
        n_scored,
        n_correct,
        n_correct / n_scored as correct_share,
        statuses,
    from repeated
    where n_correct > 0 and n_correct < n_scored

)

select * from final
