with

agreement as (

    select
        *,
        array_to_string(
            array(
                select json_value(annotator)
                from unnest(json_query_array(details, '$.annotators')) as annotator
                order by 1
            ),
            ', '
        ) as annotators,
    from {{ ref('int_estimates_calibrated') }}
    where
        is_newest_of_version
        and metric in ('krippendorffs_alpha', 'annotator_agreement', 'annotator_kappa')

),

-- With two annotators the mean over pairs equals the one pair: both rows have the same value.
pairs as (

    select
        agreement.estimate_id,
        concat(json_value(pair, '$.first'), ', ', json_value(pair, '$.second')) as annotators,
        safe_cast(json_value(pair, '$.value') as float64) as value,
        safe_cast(json_value(pair, '$.low') as float64) as low,
        safe_cast(json_value(pair, '$.high') as float64) as high,
        json_value(pair, '$.method') as method,
        safe_cast(json_value(pair, '$.n') as int64) as n,
        json_value(pair, '$.status') as status,
        json_value(pair, '$.reason') as reason,
    from agreement
    cross join unnest(json_query_array(agreement.details, '$.pairs')) as pair

),

metrics as (

    select
        estimate_id,
        metric,
        annotators,
        value,
        low,
        high,
        method,
        n,
        status,
        reason,
    from agreement

    union all

    select
        estimate_id,
        'pair_kappa' as metric,
        annotators,
        value,
        low,
        high,
        method,
        n,
        status,
        reason,
    from pairs

),

final as (

    select
        agreement.task,
        agreement.scorer,
        agreement.scorer_version,
        metrics.metric,
        metrics.annotators,
        agreement.population,
        agreement.slice,
        agreement.run_id,
        agreement.data_date,
        agreement.inference_version,
        metrics.value,
        metrics.low,
        metrics.high,
        metrics.method,
        metrics.n,
        metrics.status,
        metrics.reason,
        agreement.question_version,
        agreement.n_labels,
        agreement.n_annotators,
        agreement.n_drawn,
        agreement.sample_id,
        agreement.design,
        agreement.frame,
        agreement.frame_size,
        agreement.drawn_on,
        agreement.evaluated_at,
    from agreement
    inner join metrics
        on agreement.estimate_id = metrics.estimate_id

)

select * from final
