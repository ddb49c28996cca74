"""Statements of the calls of one run: cost, served models, latency, the share within the SLA, routes and savings."""

from __future__ import annotations

from assay.report.queries.expressions import OF_ORIGINS, OF_RESPONSES, OF_RUN, PREDICTIONS, RESPONSES, VERSION
from assay.warehouse.call_costs import CALL_SUMS
from assay.warehouse.statement import Statement, first_landed, over

CALL_COSTS = Statement(
    over(
        RESPONSES,
        CALL_SUMS,
        """
    others as (
        select
            -- The reference model is a chat model, so that embeddings have no cost at it.
            if(
                countif(
                    purpose not in ('embedding', 'judge')
                    and reference_cost_usd is null
                    and coalesce(input_tokens, output_tokens) is not null
                ) = 0
                and countif(reference_cost_usd is not null and purpose != 'judge') > 0,
                sum(if(purpose = 'judge', null, reference_cost_usd)),
                null
            ) as reference_cost_usd,
            max(reference_model) as reference_model,
            max(reference_price_source) as reference_price_source,
            coalesce(sum(if(purpose in ('answer', 'repair'), coalesce(input_tokens, 0), 0)), 0) as input_tokens,
            coalesce(
                sum(if(purpose in ('answer', 'repair'), coalesce(cached_input_tokens, 0), 0)), 0
            ) as cached_input_tokens,
            countif(purpose = 'embedding') as n_embedding_calls,
            if(
                countif(purpose = 'embedding' and cost_usd is null) = 0,
                coalesce(sum(if(purpose = 'embedding', cost_usd, 0)), 0),
                null
            ) as embedding_cost_usd
        from calls
    )""",
        then="""

    select
        coalesce(call_sums.calls, 0) as calls,
        coalesce(call_sums.n_unpriced_calls, 0) as n_unpriced_calls,
        coalesce(call_sums.n_billing_unknown_calls, 0) as n_billing_unknown_calls,
        if(call_sums.run_id is null, 0, call_sums.cost_usd) as cost_usd,
        if(call_sums.run_id is null, 0, call_sums.judge_cost_usd) as judge_cost_usd,
        coalesce(call_sums.cost_upper_usd, 0) as cost_upper_usd,
        others.*
    from others
    left join call_sums
        on true
    """,
    ),
    OF_RUN,
)
"""As `int_run_costs_summed` and the calls of `rpt_caching`; a run without calls costs 0."""

ADOPTED_MODELS = Statement(
    over(
        PREDICTIONS,
        then="""
    select adopted_model, count(*) as n_predictions
    from answers
    where answer_source = 'adopted' and adopted_model is not null
    group by adopted_model
    order by n_predictions desc, adopted_model
    """,
    ),
    OF_RUN,
)
"""The models that the source of adopted predictions states."""

SERVED_MODELS = Statement(
    over(
        RESPONSES,
        then="""
    select provider, request_model, response_model, count(*) as n_calls
    from calls
    where purpose in ('answer', 'repair')
    group by provider, request_model, response_model
    order by n_calls desc, provider, request_model, response_model
    """,
    ),
    OF_RUN,
)

LATENCY = Statement(
    over(
        PREDICTIONS,
        RESPONSES,
        then=""",

    -- Batch, cached and reused predictions are excluded, because no one waited for them.
    timed as (
        select answers.end_to_end_ms as end_to_end_ms
        from answers
        left join calls
            on answers.call_id = calls.call_id
        where
            (
                answers.answer_source = 'wire'
                or (answers.answer_source = 'adopted' and answers.end_to_end_ms is not null)
            )
            and not coalesce(calls.is_batch, false)
    ),

    -- Percentiles are exact: approximate ones differ between engines.
    percentiles as (
        select
            percentile_cont(end_to_end_ms, 0.5) over () as p50_ms,
            percentile_cont(end_to_end_ms, 0.9) over () as p90_ms,
            percentile_cont(end_to_end_ms, 0.99) over () as p99_ms
        from timed
    )

    select count(*) as n_wire_answers, max(p50_ms) as p50_ms, max(p90_ms) as p90_ms, max(p99_ms) as p99_ms
    from percentiles
    """,
    ),
    OF_RUN,
)
"""As `rpt_latency`."""

SLA_COUNTS_OF_ORIGINS = Statement(
    over(
        VERSION,
        PREDICTIONS,
        """
    elsewhere as (
        select call_id, first_prediction_id
        from answers
        where
            outcome != 'skipped_budget'
            and (first_prediction_id is not null or coalesce(answer_source, 'wire') not in ('wire', 'adopted'))
    )""",
        first_landed(
            "earlier",
            "prediction_id",
            """
        select prediction_id, call_id, answer_source, end_to_end_ms, landed_at, occurred_at, row_hash
        from predictions
        where
            task = @task
            and data_date between @first_day and @last_day
            and (
                prediction_id in (select first_prediction_id from elsewhere)
                or call_id in (select call_id from elsewhere)
            )
            """,
        ),
        then=""",

    origins as (
        select call_id, end_to_end_ms
        from earlier
        where answer_source = 'wire' and call_id is not null
        qualify row_number() over (partition by call_id order by landed_at asc, prediction_id asc) = 1
    )

    select
        countif(
            if(elsewhere.first_prediction_id is not null, firsts.end_to_end_ms, origins.end_to_end_ms)
            <= version.sla_latency_ms
        ) as n_within_sla
    from elsewhere
    left join version
        on true
    left join origins
        on elsewhere.call_id = origins.call_id
    left join earlier as firsts
        on elsewhere.first_prediction_id = firsts.prediction_id
    """,
    ),
    (*OF_ORIGINS, ("task_version_id", "STRING")),
)
"""Predictions within the SLA whose latency is that of an earlier request; as `int_run_sla_counted`.

The latency of a cached or reused prediction is that of the run that requested it, or of its first outcome."""

SAVINGS = Statement(
    over(
        PREDICTIONS,
        """
    reused as (
        select prediction_id, answer_source, call_id
        from answers
        where answer_source not in ('wire', 'adopted')
    )""",
        first_landed(
            "origins",
            "call_id",
            """
        select call_id, cost_usd
        from responses
        where
            data_date between @first_day and @last_day
            and call_id in (select call_id from reused)
            """,
        ),
        then="""

    select
        reused.answer_source as answer_source,
        countif(origins.cost_usd is null) as n_unpriced,
        coalesce(sum(origins.cost_usd), 0) as saved_usd
    from reused
    left join origins
        on reused.call_id = origins.call_id
    group by reused.answer_source
    """,
    ),
    OF_RESPONSES,
)
"""What reused responses cost when a run, possibly of another task, requested them; as `int_run_sources_counted`."""

ROUTES = Statement(
    over(
        PREDICTIONS,
        RESPONSES,
        then=""",

    answer_calls as (
        select * from calls
        where purpose in ('answer', 'repair')
    ),

    requested as (
        select
            route,
            count(distinct request_key) as n_asked,
            if(countif(is_unpriced) = 0, sum(coalesce(cost_usd, 0)), null) as cost_usd
        from answer_calls
        group by route
    ),

    requests as (
        select request_key, if(countif(cost_usd is null) = 0, sum(cost_usd), null) as cost_usd
        from answer_calls
        group by request_key
    ),

    -- With one route only, or without a call in this run, there is nothing to compare.
    priced as (
        select
            answers.answer_source as answer_source,
            answers.route as route,
            answers.counterfactual_cost_usd as counterfactual_cost_usd,
            requests.cost_usd as request_cost_usd,
            coalesce(
                answers.answer_source = 'wire'
                and array_length(json_query_array(answers.routing, '$.routes')) > 1,
                false
            ) as is_routed
        from answers
        left join requests
            on answers.request_key = requests.request_key
        where answers.answer_source is not null and answers.route is not null
    ),

    compared as (
        select
            *,
            is_routed and counterfactual_cost_usd is not null and request_cost_usd is not null as is_compared
        from priced
    ),

    outputs as (
        select
            route,
            count(*) as n_answers,
            countif(answer_source = 'wire') as n_wire,
            countif(is_compared) as n_compared,
            countif(is_routed and not is_compared) as n_uncompared,
            sum(if(is_compared, counterfactual_cost_usd, null)) - sum(if(is_compared, request_cost_usd, null))
                as routing_saved_usd
        from compared
        group by route
    ),

    steps as (
        select
            json_value(escalation, '$.route') as route,
            json_value(escalation, '$.reason') as cause
        from answers
        cross join unnest(json_query_array(answers.routing, '$.escalations')) as escalation
    ),

    escalations as (
        select
            route,
            count(*) as n_escalated,
            countif(starts_with(cause, 'check:') or starts_with(cause, 'unscored:')) as n_escalated_check,
            countif(cause in ('low_confidence', 'no_confidence')) as n_escalated_confidence
        from steps
        group by route
    ),

    -- A route may have escalated every request, or have cached predictions only.
    routes as (
        select route from requested
        union distinct
        select route from outputs
        union distinct
        select route from escalations
    )

    select
        routes.route as route,
        coalesce(requested.n_asked, 0) as n_asked,
        coalesce(outputs.n_answers, 0) as n_answers,
        coalesce(outputs.n_wire, 0) as n_wire,
        coalesce(escalations.n_escalated, 0) as n_escalated,
        coalesce(
            escalations.n_escalated - escalations.n_escalated_check - escalations.n_escalated_confidence, 0
        ) as n_escalated_no_valid_answer,
        coalesce(escalations.n_escalated_check, 0) as n_escalated_check,
        coalesce(escalations.n_escalated_confidence, 0) as n_escalated_confidence,
        if(requested.route is null, 0, requested.cost_usd) as cost_usd,
        coalesce(outputs.n_compared, 0) as n_compared,
        coalesce(outputs.n_uncompared, 0) as n_uncompared,
        outputs.routing_saved_usd as routing_saved_usd
    from routes
    left join requested
        on routes.route = requested.route
    left join outputs
        on routes.route = outputs.route
    left join escalations
        on routes.route = escalations.route
    order by n_asked desc, route
    """,
    ),
    OF_RUN,
)
"""As `rpt_routing`."""
