with

estimates as (

    select * from {{ ref('int_estimates_latest') }}
    where
        label is null
        and regexp_contains(metric, '^(macro|weighted)_(precision|recall|f1)$')

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
        split(metric, '_')[safe_offset(0)] as average,
        max(safe_cast(json_value(details, '$.classes') as int64)) as n_classes,
        max(n) as n_expected,
        {%- for metric in ['precision', 'recall', 'f1'] %}
            {%- for column in ['value', 'low', 'high', 'status', 'reason'] %}
                max(if(ends_with(metric, '_{{ metric }}'), {{ column }}, null))
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
        average

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
