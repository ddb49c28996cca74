with

runs as (

    select * from {{ ref('int_runs_built') }}

),

sources as (

    select * from {{ ref('int_run_sources_counted') }}

),

responses as (

    select * from {{ ref('fct_responses') }}

),

calls as (

    select
        run_id,
        sum(if(purpose in ('answer', 'repair'), coalesce(input_tokens, 0), 0)) as input_tokens,
        sum(if(purpose in ('answer', 'repair'), coalesce(cached_input_tokens, 0), 0))
            as cached_input_tokens,
        countif(purpose = 'embedding') as n_embedding_calls,
        if(
            countif(purpose = 'embedding' and cost_usd is null) = 0,
            sum(if(purpose = 'embedding', cost_usd, 0)),
            null
        ) as embedding_cost_usd,
    from responses
    group by run_id

),

joined as (

    select
        runs.run_id,
        runs.task,
        runs.data_date,
        runs.variant,
        runs.stage,
        runs.purpose,
        runs.run_status,
        sources.n_predictions,
        sources.n_sourced,
        sources.n_wire,
        sources.n_exact_cache,
        sources.n_semantic_cache,
        sources.n_reused,
        coalesce(calls.input_tokens, 0) as input_tokens,
        coalesce(calls.cached_input_tokens, 0) as cached_input_tokens,
        sources.exact_cache_saved_usd,
        sources.semantic_cache_saved_usd,
        sources.reused_saved_usd,
        sources.n_unpriced_savings,
        coalesce(calls.n_embedding_calls, 0) as n_embedding_calls,
        if(calls.run_id is null, 0, calls.embedding_cost_usd) as embedding_cost_usd,
    from sources
    inner join runs
        on sources.run_id = runs.run_id
    left join calls
        on sources.run_id = calls.run_id

),

-- NULL where one price is missing, because a sum with NULL is NULL.
final as (

    select
        *,
        safe_divide(n_wire, n_sourced) as wire_share,
        safe_divide(n_exact_cache, n_sourced) as exact_cache_share,
        safe_divide(n_semantic_cache, n_sourced) as semantic_cache_share,
        safe_divide(n_reused, n_sourced) as reused_share,
        safe_divide(cached_input_tokens, input_tokens) as cached_input_share,
        exact_cache_saved_usd + semantic_cache_saved_usd + reused_saved_usd as saved_usd,
        exact_cache_saved_usd
        + semantic_cache_saved_usd
        + reused_saved_usd
        - embedding_cost_usd as net_saved_usd,
    from joined

)

select * from final
