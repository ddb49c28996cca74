"""SQL of the cost of a run, from its landed calls and predictions: one definition for every command.

- *Inference cost* (`cost_usd`): the calls that made predictions, without those of unknown billing; of adopted
  predictions, what their source states. NULL where a call or an adopted prediction has no price.
- *Judge cost* (`judge_cost_usd`): the calls of judges, of unknown billing at their upper estimate. NULL where a call has
  no price.
- *Total cost* (`total_cost_usd`): their sum.
- *Cost of a first outcome*: the calls that made it, in whatever run they were paid for. The cost per correct prediction is of
  these; second chances, embeddings and judges are in the costs above and not in it.

`rpt_cost_per_correct` has the same columns.
"""

from __future__ import annotations

from assay.warehouse.statement import first_landed, joined


def landed_calls(where: str) -> str:
    """Returns the expression `calls`; an unpriced call was billed without a price, as in `fct_responses`."""
    return first_landed("calls", "call_id", _CALLS.format(where=where))


_CALLS = """
        select
            *,
            case
                when cost_usd is not null then false
                when billing = 'unknown' then cost_upper_usd is null
                else status != 'error' or coalesce(input_tokens, output_tokens) is not null
            end as is_unpriced
        from responses
        where {where}
"""

CALL_SUMS = """
    call_sums as (
        select
            run_id,
            countif(purpose != 'judge') as calls,
            countif(purpose = 'judge') as judge_calls,
            countif(is_unpriced and purpose != 'judge') as n_unpriced_calls,
            countif(billing = 'unknown' and purpose != 'judge') as n_billing_unknown_calls,
            if(
                countif(is_unpriced and purpose != 'judge') = 0,
                sum(if(purpose = 'judge', 0, coalesce(cost_usd, 0))),
                null
            ) as cost_usd,
            if(
                countif(is_unpriced and purpose = 'judge') = 0,
                sum(if(purpose = 'judge', coalesce(cost_usd, cost_upper_usd, 0), 0)),
                null
            ) as judge_cost_usd,
            sum(if(purpose = 'judge', 0, coalesce(cost_usd, cost_upper_usd, 0))) as cost_upper_usd
        from calls
        group by run_id
    )"""
"""Counts and costs of `calls` by run, as `int_run_costs_summed`; a run without calls has no row and costs 0."""

RUN_COSTS = """
    adopted as (
        select run_id, countif(adopted_cost_usd is null) as n_unpriced, sum(adopted_cost_usd) as cost_usd
        from answers
        where answer_source = 'adopted'
        group by run_id
    ),

    run_ids as (
        select run_id from calls
        union distinct
        select run_id from answers
    ),

    inference_costs as (
        select
            run_ids.run_id as run_id,
            case
                when adopted.n_unpriced > 0 then null
                when adopted.run_id is not null then adopted.cost_usd
                when call_sums.run_id is null then 0
                else call_sums.cost_usd
            end as cost_usd,
            if(call_sums.run_id is null, 0, call_sums.judge_cost_usd) as judge_cost_usd
        from run_ids
        left join call_sums
            on run_ids.run_id = call_sums.run_id
        left join adopted
            on run_ids.run_id = adopted.run_id
    ),

    run_costs as (
        select run_id, cost_usd, judge_cost_usd, cost_usd + judge_cost_usd as total_cost_usd
        from inference_costs
    )"""
"""The costs of each run from `calls`, `call_sums` and the predictions `answers`; a run without either has no row."""


def first_outcome_costs(where: str) -> str:
    """Returns the expressions `firsts`, `calls` and `first_costs` of the predictions `answers`, as `int_first_outcomes_priced`.

    `where` is a condition on the rows of `predictions` and `responses` that may have made the first outcomes. `first_costs`
    has one row per prediction: `cost_usd` (NULL where a price is missing, or the first outcome or its calls are no longer
    landed), `cost_upper_usd` with calls of unknown billing at their upper estimate, and the cost at the reference model.
    """
    firsts = first_landed("firsts", "prediction_id", _FIRSTS.format(where=where))
    return joined(firsts, landed_calls(_OF_REQUESTS.format(where=where)), _FIRST_COSTS)


_FIRSTS = """
        select * from predictions
        where {where} and prediction_id in (select first_prediction_id from answers)
"""

_OF_REQUESTS = """
            {where}
            and request_key in (
                select request_key from answers
                union all
                select request_key from firsts
                union all
                select request_key
                from responses
                where
                    {where}
                    and call_id in (
                        select call_id from answers
                        union all
                        select call_id from firsts
                    )
            )"""

_FIRST_COSTS = """
    outcomes as (
        select
            answers.prediction_id as prediction_id,
            answers.first_prediction_id is not null and firsts.prediction_id is null as is_lost,
            coalesce(firsts.answer_source, if(firsts.prediction_id is null, answers.answer_source, null), 'wire') as source,
            coalesce(firsts.call_id, answers.call_id) as call_id,
            coalesce(firsts.run_id, answers.run_id) as run_id,
            coalesce(firsts.request_key, answers.request_key) as request_key,
            if(firsts.prediction_id is null, answers.adopted_cost_usd, firsts.adopted_cost_usd) as adopted_cost_usd
        from answers
        left join firsts
            on answers.first_prediction_id = firsts.prediction_id
    ),

    request_costs as (
        select
            run_id,
            request_key,
            logical_or(is_unpriced) as is_unpriced,
            countif(billing = 'unknown') as n_billing_unknown_calls,
            sum(coalesce(cost_usd, 0)) as cost_usd,
            sum(coalesce(cost_usd, cost_upper_usd, 0)) as cost_upper_usd,
            sum(reference_cost_usd) as reference_cost_usd,
            countif(reference_cost_usd is null and coalesce(input_tokens, output_tokens) is not null) as n_unreferenced
        from calls
        where purpose not in ('judge', 'embedding')
        group by run_id, request_key
    ),

    -- A cached prediction costs what the request did whose response it repeats.
    requested_outcomes as (
        select
            outcomes.prediction_id as prediction_id,
            outcomes.source as source,
            outcomes.adopted_cost_usd as adopted_cost_usd,
            outcomes.is_lost or (outcomes.source not in ('wire', 'adopted') and calls.call_id is null) as is_lost,
            if(outcomes.source = 'wire', outcomes.run_id, calls.run_id) as run_id,
            if(outcomes.source = 'wire', outcomes.request_key, calls.request_key) as request_key
        from outcomes
        left join calls
            on outcomes.source not in ('wire', 'adopted') and outcomes.call_id = calls.call_id
    ),

    first_costs as (
        select
            requested_outcomes.prediction_id as prediction_id,
            coalesce(request_costs.n_billing_unknown_calls, 0) as n_billing_unknown_calls,
            case
                when requested_outcomes.is_lost or request_costs.is_unpriced then null
                when requested_outcomes.source = 'adopted' then requested_outcomes.adopted_cost_usd
                else coalesce(request_costs.cost_usd, 0)
            end as cost_usd,
            case
                when requested_outcomes.is_lost or request_costs.is_unpriced then null
                when requested_outcomes.source = 'adopted' then requested_outcomes.adopted_cost_usd
                else coalesce(request_costs.cost_upper_usd, 0)
            end as cost_upper_usd,
            request_costs.reference_cost_usd as reference_cost_usd,
            coalesce(request_costs.n_unreferenced, 0) + if(requested_outcomes.is_lost, 1, 0) as n_unreferenced
        from requested_outcomes
        left join request_costs
            on
                requested_outcomes.run_id = request_costs.run_id
                and requested_outcomes.request_key = request_costs.request_key
    )"""
