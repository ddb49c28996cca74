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

-- A record without a cluster is a cluster of its own.
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
        run_id,
        population,
        slice,
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
        countif(is_eligible and is_second_chance) as n_second_chances,
        countif(is_eligible and is_delivered_correct) as n_delivered_correct,
        count(distinct if(is_eligible, cluster_key, null)) as n_clusters,
        count(distinct if(is_eligible, epoch, null)) as epochs,
    from sliced
    group by run_id, population, slice

)

select * from final
