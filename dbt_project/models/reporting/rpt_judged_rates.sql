with

rates as (

    select * from {{ ref('int_estimates_calibrated') }}
    where metric in ('judged_rate', 'human_rate', 'corrected_rate')

),

-- Pivots one row per metric into one column per metric; all share the same labels.
final as (

    select
        task,
        scorer,
        scorer_version,
        run_id,
        data_date,
        inference_version,
        population,
        slice,
        max(if(statistic = 'judged_rate', value, null)) as judged_rate,
        max(if(statistic = 'judged_rate', low, null)) as judged_low,
        max(if(statistic = 'judged_rate', high, null)) as judged_high,
        max(if(statistic = 'judged_rate', status, null)) as judged_status,
        max(if(statistic = 'judged_rate', reason, null)) as judged_reason,
        max(if(statistic = 'judged_rate', n, null)) as n_judged,
        max(if(statistic = 'human_rate', value, null)) as human_rate,
        max(if(statistic = 'human_rate', low, null)) as human_low,
        max(if(statistic = 'human_rate', high, null)) as human_high,
        max(if(statistic = 'human_rate', status, null)) as human_status,
        max(if(statistic = 'human_rate', reason, null)) as human_reason,
        max(if(statistic = 'ppi', value, null)) as ppi_rate,
        max(if(statistic = 'ppi', low, null)) as ppi_low,
        max(if(statistic = 'ppi', high, null)) as ppi_high,
        max(if(statistic = 'ppi', method, null)) as ppi_method,
        max(if(statistic = 'ppi', status, null)) as ppi_status,
        max(if(statistic = 'ppi', reason, null)) as ppi_reason,
        max(if(statistic = 'rogan_gladen', value, null)) as rogan_gladen_rate,
        max(if(statistic = 'rogan_gladen', low, null)) as rogan_gladen_low,
        max(if(statistic = 'rogan_gladen', high, null)) as rogan_gladen_high,
        max(if(statistic = 'rogan_gladen', status, null)) as rogan_gladen_status,
        max(if(statistic = 'rogan_gladen', reason, null)) as rogan_gladen_reason,
        max(question_version) as question_version,
        max(n_labels) as n_labels,
        max(n_passed_labels) as n_passed_labels,
        max(n_failed_labels) as n_failed_labels,
        max(n_annotators) as n_annotators,
        max(n_drawn) as n_drawn,
        max(sample_id) as sample_id,
        max(design) as design,
        max(frame) as frame,
        max(frame_size) as frame_size,
        max(drawn_on) as drawn_on,
        max(evaluated_at) as evaluated_at,
    from rates
    group by
        task,
        scorer,
        scorer_version,
        run_id,
        data_date,
        inference_version,
        population,
        slice

)

select * from final
