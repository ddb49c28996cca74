with

final as (

    select
        task,
        scorer,
        scorer_version,
        metric,
        population,
        slice,
        run_id,
        data_date,
        inference_version,
        value,
        low,
        high,
        level,
        method,
        n,
        clusters,
        effective_n,
        status,
        reason,
        question_version,
        n_labels,
        n_passed_labels,
        n_failed_labels,
        n_annotators,
        n_drawn,
        sample_id,
        design,
        frame,
        frame_size,
        drawn_on,
        details,
        evaluated_at,
    from {{ ref('int_estimates_calibrated') }}
    where
        is_newest_of_version
        and metric in (
            'cohens_kappa',
            'gwets_ac1',
            'percent_agreement',
            'sensitivity',
            'specificity',
            'length_bias'
        )

)

select * from final
