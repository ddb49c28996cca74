with

predictions as (

    select * from {{ ref('fct_predictions') }}

),

responses as (

    select * from {{ ref('fct_responses') }}

),

-- The call behind a cached or reused prediction may belong to any earlier run.
priced as (

    select
        predictions.run_id,
        predictions.answer_source,
        responses.cost_usd,
        predictions.answer_source not in ('wire', 'adopted')
        and responses.cost_usd is null as is_unpriced,
    from predictions
    left join responses
        on predictions.call_id = responses.call_id

),

final as (

    select
        run_id,
        count(*) as n_predictions,
        countif(answer_source != 'adopted') as n_sourced,
        countif(answer_source = 'wire') as n_wire,
        countif(answer_source = 'exact_cache') as n_exact_cache,
        countif(answer_source = 'semantic_cache') as n_semantic_cache,
        countif(answer_source = 'reused') as n_reused,
        countif(is_unpriced) as n_unpriced_savings,
        {% for source in ['exact_cache', 'semantic_cache', 'reused'] -%}
            if(
                countif(is_unpriced and answer_source = '{{ source }}') = 0,
                sum(if(answer_source = '{{ source }}', cost_usd, 0)),
                null
            ) as {{ source }}_saved_usd,
        {% endfor %}
    from priced
    group by run_id

)

select * from final
