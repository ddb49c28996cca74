with

responses as (

    select * from {{ ref('fct_responses') }}

),

-- Calls, tokens and costs of judges are kept apart from those of predictions.
summed as (

    select
        data_date,
        task,
        provider,
        request_model,
        countif(not is_judge) as calls,
        countif(is_judge) as n_judge_calls,
        sum(if(is_judge, 0, coalesce(uncached_input_tokens, 0))) as uncached_input_tokens,
        sum(if(is_judge, 0, coalesce(cached_input_tokens, 0))) as cached_input_tokens,
        sum(if(is_judge, 0, coalesce(cache_write_tokens, 0))) as cache_write_tokens,
        sum(if(is_judge, 0, coalesce(answer_tokens, 0))) as answer_tokens,
        sum(if(is_judge, 0, coalesce(reasoning_tokens, 0))) as reasoning_tokens,
        countif(is_unpriced and not is_judge) as n_unpriced_calls,
        countif(is_unpriced and is_judge) as n_unpriced_judge_calls,
        countif(billing = 'unknown' and not is_judge) as n_billing_unknown_calls,
        countif(is_unreferenced and not is_judge) as n_unreferenced_calls,
        sum(if(is_judge, 0, coalesce(cost_usd, 0))) as cost_priced_usd,
        sum(if(is_judge, coalesce(cost_usd, cost_upper_usd, 0), 0)) as judge_cost_priced_usd,
        sum(if(cost_usd is null and not is_judge, coalesce(cost_upper_usd, 0), 0))
            as cost_unknown_upper_usd,
        if(
            count(distinct reference_model) > 1,
            'several',
            max(reference_model)
        ) as reference_model,
        sum(if(is_judge, 0, coalesce(reference_cost_usd, 0))) as reference_cost_priced_usd,
        countif(reference_cost_usd is not null and not is_judge) as n_referenced_calls,
    from responses
    group by
        data_date,
        task,
        provider,
        request_model

),

-- A sum that lacks the price of a call is NULL; cost_priced_usd has the priced part.
final as (

    select
        data_date,
        task,
        provider,
        request_model,
        calls,
        n_judge_calls,
        uncached_input_tokens,
        cached_input_tokens,
        cache_write_tokens,
        answer_tokens,
        reasoning_tokens,
        if(n_unpriced_calls = 0, cost_priced_usd, null) as cost_usd,
        if(n_unpriced_judge_calls = 0, judge_cost_priced_usd, null) as judge_cost_usd,
        if(
            n_unpriced_calls + n_unpriced_judge_calls = 0,
            cost_priced_usd + judge_cost_priced_usd,
            null
        ) as total_cost_usd,
        cost_priced_usd,
        n_unpriced_calls,
        n_unpriced_calls > 0 as is_unpriced,
        n_billing_unknown_calls,
        if(n_unpriced_calls = 0, cost_priced_usd + cost_unknown_upper_usd, null)
            as cost_upper_usd,
        reference_model,
        if(
            n_unreferenced_calls = 0 and n_referenced_calls > 0,
            reference_cost_priced_usd,
            null
        ) as reference_cost_usd,
    from summed

)

select * from final
