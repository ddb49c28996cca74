with

estimates as (

    select
        *,
        case
            when metric != 'corrected_rate' then metric
            when starts_with(method, 'rogan_gladen') then 'rogan_gladen'
            else 'ppi'
        end as statistic,
    from {{ ref('stg_landing__estimates') }}
    where
        scorer is not null
        and metric in (
            'judged_rate',
            'human_rate',
            'corrected_rate',
            'cohens_kappa',
            'gwets_ac1',
            'percent_agreement',
            'sensitivity',
            'specificity',
            'length_bias',
            'krippendorffs_alpha',
            'annotator_kappa',
            'annotator_agreement'
        )

),

evaluations as (

    select
        evaluation_id,
        run_id,
        task,
        scorer,
        scorer_version,
        max(occurred_at) as evaluated_at,
        logical_or(metric = 'percent_agreement' and value is not null) as is_measured,
    from estimates
    group by evaluation_id, run_id, task, scorer, scorer_version
    -- Rows of versions without the column `kind`: other evaluations landed some of these metrics,
    -- too, and only a calibration landed both.
    having
        coalesce(
            logical_or(kind = 'calibration'),
            logical_or(metric = 'judged_rate') and logical_or(metric = 'krippendorffs_alpha')
        )

),

newest_by_run as (

    select * from evaluations
    where true
    qualify
        row_number() over (
            partition by run_id, task, scorer, scorer_version
            order by evaluated_at desc, evaluation_id desc
        ) = 1

),

-- A calibration without labels does not replace an earlier one of the judge that has some.
newest as (

    select
        *,
        row_number() over (
            partition by task, scorer, scorer_version
            order by if(is_measured, 0, 1), evaluated_at desc, evaluation_id desc
        ) = 1 as is_newest_of_version,
    from newest_by_run

),

final as (

    select
        estimates.*,
        newest.evaluated_at,
        newest.is_newest_of_version,
        json_value(estimates.calibration, '$.question_version') as question_version,
        json_value(estimates.calibration, '$.sample_id') as sample_id,
        json_value(estimates.calibration, '$.design') as design,
        json_value(estimates.calibration, '$.frame') as frame,
        safe_cast(json_value(estimates.calibration, '$.frame_size') as int64) as frame_size,
        safe_cast(json_value(estimates.calibration, '$.drawn_on') as date) as drawn_on,
        safe_cast(json_value(estimates.calibration, '$.n_drawn') as int64) as n_drawn,
        safe_cast(json_value(estimates.calibration, '$.n_labels') as int64) as n_labels,
        array_length(json_query_array(estimates.calibration, '$.annotators')) as n_annotators,
        safe_cast(json_value(estimates.label_counts, '$.pass') as int64) as n_passed_labels,
        safe_cast(json_value(estimates.label_counts, '$.fail') as int64) as n_failed_labels,
    from estimates
    inner join newest
        on
            estimates.evaluation_id = newest.evaluation_id
            and estimates.scorer = newest.scorer

)

select * from final
