with

responses as (

    select * from {{ ref('fct_responses') }}

),

final as (

    select
        concat(provider, '/', request_model) as model_id,
        provider,
        request_model,
        min(started_at) as first_seen_at,
        max(started_at) as last_seen_at,
        count(*) as calls,
        case
            when countif(is_unpriced) > 0 then false
            when countif(cost_usd is not null) > 0 then true
        end as is_priced,
    from responses
    group by provider, request_model

)

select * from final
