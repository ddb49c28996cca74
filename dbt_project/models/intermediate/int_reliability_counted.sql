with

predictions as (

    select * from {{ ref('int_predictions_counted') }}

),

slices as (

    {{ slices_of('predictions') }}

),

-- A record without a cluster is a cluster of its own, and one cluster over several days.
sliced as (

    select
        predictions.*,
        slices.slice,
        {{ cluster_key('predictions') }} as cluster_key,
    from predictions
    inner join slices
        on predictions.prediction_id = slices.prediction_id

),

final as (

    select
        task,
        stage,
        variant,
        inference_version,
        population,
        slice,
        min(data_date) as first_data_date,
        max(data_date) as last_data_date,
        count(distinct run_id) as n_runs,
        max(run_id) as last_run_id,
        {{ prediction_counts() }},
        count(distinct if(is_eligible, cluster_key, null)) as n_clusters,
        count(distinct if(is_eligible, epoch, null)) as epochs,
    from sliced
    group by
        task,
        stage,
        variant,
        inference_version,
        population,
        slice

)

select * from final
