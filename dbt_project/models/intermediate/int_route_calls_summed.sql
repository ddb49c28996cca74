with

responses as (

    select * from {{ ref('fct_responses') }}
    where purpose in ('answer', 'repair')

),

final as (

    select
        run_id,
        route,
        count(distinct request_key) as n_asked,
        countif(is_unpriced) as n_unpriced_calls,
        if(countif(is_unpriced) = 0, sum(coalesce(cost_usd, 0)), null) as cost_usd,
    from responses
    group by run_id, route

)

select * from final
