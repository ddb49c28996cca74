with

predictions as (

    select * from {{ ref('int_predictions_counted') }}

),

slices as (

    select
        prediction_id,
        'overall' as slice,
    from predictions

    union all

    select distinct
        predictions.prediction_id,
        slice,
    from predictions
    cross join unnest(predictions.slices) as slice

),

-- A record without a cluster is a cluster of its own, and one cluster over several days.
sliced as (

    select
        predictions.*,
        slices.slice,
        case
            when predictions.cluster_id is null
                then concat(predictions.tenant_id, ' record ', predictions.record_id)
            else concat(predictions.tenant_id, ' cluster ', predictions.cluster_id)
        end as cluster_key,
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
        count(*) as n_predictions,
        countif(first_status = 'skipped_budget') as n_skipped,
        countif(first_status != 'skipped_budget' and not is_eligible) as n_unjudged,
        countif(is_eligible) as n_eligible,
        countif(is_eligible and is_correct) as n_correct,
        countif(is_eligible and not is_correct) as n_incorrect,
        countif(is_eligible and is_correct is null) as n_unscored,
        countif(is_eligible and is_answered) as n_answered,
        countif(is_eligible and is_answered and is_correct) as n_answered_correct,
        countif(is_eligible and is_answered and is_correct is not null) as n_answered_scored,
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
