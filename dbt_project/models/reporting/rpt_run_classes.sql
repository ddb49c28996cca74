with

estimates as (

    select * from {{ ref('int_estimates_latest') }}
    where label is not null and metric in ('precision', 'recall', 'f1')

),

runs as (

    select * from {{ ref('int_runs_counted') }}

),

pivoted as (

    select
        run_id,
        population,
        slice,
        scorer,
        scorer_version,
        label,
        max(safe_cast(json_value(details, '$.support') as int64)) as n_expected,
        max(safe_cast(json_value(details, '$.predicted') as int64)) as n_answered,
        {%- for metric in ['precision', 'recall', 'f1'] %}
            {%- for column in ['value', 'low', 'high', 'status', 'reason'] %}
                max(if(metric = '{{ metric }}', {{ column }}, null))
                    as {{ metric }}{{ '' if column == 'value' else '_' ~ column }},
            {%- endfor %}
        {%- endfor %}
    from estimates
    group by
        run_id,
        population,
        slice,
        scorer,
        scorer_version,
        label

),

final as (

    select
        runs.task,
        runs.variant,
        runs.data_date,
        pivoted.*,
    from pivoted
    inner join runs
        on pivoted.run_id = runs.run_id

)

select * from final
