with

predictions as (

    select
        *,
        first_status not in ('ok', 'repaired')
        and first_prediction_id is not null
        and (status != first_status or calls > 0)
            as is_second_chance,
    from {{ ref('fct_predictions') }}

),

slices as (

    {{ slices_of('predictions') }}

),

-- A record without a cluster is a cluster of its own.
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
        run_id,
        population,
        slice,
        {{ prediction_counts() }},
        countif(is_eligible and is_second_chance) as n_second_chances,
        countif(is_eligible and is_delivered_correct) as n_delivered_correct,
        countif(is_eligible and is_delivered_correct is null) as n_delivered_unscored,
        count(distinct if(is_eligible, cluster_key, null)) as n_clusters,
        count(distinct if(is_eligible, epoch, null)) as epochs,
    from sliced
    group by run_id, population, slice

)

select * from final
