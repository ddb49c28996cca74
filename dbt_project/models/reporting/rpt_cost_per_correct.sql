with

runs as (

    select * from {{ ref('int_runs_built') }}

),

calls as (

    select * from {{ ref('int_run_costs_summed') }}

),

first_outcomes as (

    select * from {{ ref('int_run_first_outcomes_summed') }}

),

predictions as (

    select
        run_id,
        if(count(distinct population) > 1, 'several', max(population)) as population,
        countif(is_eligible) as n_eligible,
        countif(first_status != 'skipped_budget' and not is_eligible) as n_unjudged,
        countif(is_eligible and is_correct) as n_correct,
        countif(is_eligible and is_correct is null) as n_unscored,
        countif(answer_source = 'reused') as n_reused,
        countif(answer_source in ('exact_cache', 'semantic_cache')) as n_cached,
        countif(answer_source = 'adopted') as n_adopted,
        countif(answer_source = 'adopted' and adopted_cost_usd is null) as n_adopted_unpriced,
        sum(adopted_cost_usd) as adopted_cost_usd,
    from {{ ref('fct_predictions') }}
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
        runs.inference_version,
        predictions.population,
        predictions.n_eligible,
        predictions.n_unjudged,
        predictions.n_correct,
        predictions.n_unscored,
        predictions.n_reused,
        predictions.n_cached,
        predictions.n_adopted,
        predictions.n_adopted_unpriced,
        coalesce(calls.calls, 0) as calls,
        coalesce(calls.n_unpriced_calls, 0) as n_unpriced_calls,
        coalesce(calls.n_billing_unknown_calls, 0) as n_billing_unknown_calls,
        case
            when predictions.n_adopted_unpriced > 0 then null
            when predictions.n_adopted > 0 then predictions.adopted_cost_usd
            when coalesce(calls.n_unpriced_calls, 0) = 0 then coalesce(calls.cost_usd, 0)
        end as cost_usd,
        if(calls.run_id is null, 0, calls.judge_cost_usd) as judge_cost_usd,
        case
            when predictions.n_adopted_unpriced > 0 then null
            when predictions.n_adopted > 0 then predictions.adopted_cost_usd
            when coalesce(calls.n_unpriced_calls, 0) = 0 then coalesce(calls.cost_upper_usd, 0)
        end as cost_upper_usd,
        calls.reference_cost_usd,
        coalesce(first_outcomes.n_first_unpriced, 0) as n_first_unpriced,
        coalesce(first_outcomes.n_first_billing_unknown_calls, 0) as n_first_billing_unknown_calls,
        first_outcomes.first_cost_usd,
        first_outcomes.first_cost_upper_usd,
        first_outcomes.first_reference_cost_usd,
    from runs
    inner join predictions
        on runs.run_id = predictions.run_id
    left join calls
        on runs.run_id = calls.run_id
    left join first_outcomes
        on runs.run_id = first_outcomes.run_id

),

-- The cost of adopted predictions is what their source states; it was not paid by Assay.
-- An unscored prediction is not correct; the lower bound counts it as correct.
judged as (

    select
        *,
        case
            when n_first_unpriced > 0 then 'unpriced'
            when n_correct = 0 then if(n_unscored > 0, 'unscored', 'none_correct')
            when n_first_billing_unknown_calls > 0 then 'billing_unknown'
            when n_unscored > 0 then 'unscored'
            else 'ok'
        end as cost_status,
    from joined

),

final as (

    select
        * except (n_first_billing_unknown_calls, first_cost_upper_usd, first_reference_cost_usd),
        cost_usd + judge_cost_usd as total_cost_usd,
        safe_divide(first_cost_usd, n_correct) as cost_per_correct_usd,
        safe_divide(first_cost_usd, n_correct + n_unscored) as cost_per_correct_low_usd,
        safe_divide(first_cost_upper_usd, n_correct) as cost_per_correct_upper_usd,
        safe_divide(first_reference_cost_usd, n_correct) as reference_cost_per_correct_usd,
    from judged

)

select * from final
