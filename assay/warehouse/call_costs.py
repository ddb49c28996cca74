"""SQL of the cost of a run, from its landed calls and predictions: one definition for every command.

- *Inference cost* (`cost_usd`): the calls that made predictions, without those of unknown billing; of adopted
  predictions, what their source states. NULL where a call or an adopted prediction has no price.
- *Judge cost* (`judge_cost_usd`): the calls of judges, of unknown billing at their upper estimate. NULL where a call has
  no price.
- *Total cost* (`total_cost_usd`): their sum.

`rpt_cost_per_correct` has the same columns.
"""

from __future__ import annotations

from assay.warehouse.statement import first_landed


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
