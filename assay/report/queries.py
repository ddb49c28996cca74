"""SQL statements that read the scorecard, most of them from the reporting views."""

from __future__ import annotations

from assay.warehouse.statement import REPORTING, Statement

REFERENCE_MODEL = Statement(
    """
    select max(reference_model) as reference_model, max(reference_price_source) as reference_price_source
    from responses
    where task = @task and reference_model is not null
    """,
    (("task", "STRING"),),
)

REPORTED_RUN = Statement(
    """
    with finished as (
        select *
        from runs
        where task = @task and event = 'finished'
        qualify row_number() over (partition by run_id order by landed_at desc) = 1
    ),

    completed as (
        select
            run_id,
            data_date,
            variant,
            occurred_at,
            coalesce(cast(json_value(config, '$.limit') as int64) > rows_read, json_value(config, '$.limit') is null)
            and run_id not in (select run_id from predictions where task = @task and status = 'skipped_budget')
                as is_whole
        from finished
        where
            status = 'completed'
            and (@run_id = '' or run_id = @run_id)
            and (@variant = '' or variant = @variant)
            and (@data_date = '' or cast(data_date as string) = @data_date)
    )

    select run_id, data_date
    from completed
    order by is_whole desc, if(variant = 'default', 0, 1) asc, occurred_at desc
    limit 1
    """,
    (("task", "STRING"), ("run_id", "STRING"), ("variant", "STRING"), ("data_date", "STRING")),
)

_RUN_METRICS = """
    select
        cost.run_id as run_id,
        cost.data_date as data_date,
        cost.variant as variant,
        cost.stage as stage,
        cost.purpose as purpose,
        cost.inference_version as inference_version,
        runs.run_status as run_status,
        runs.is_whole as is_whole,
        runs.partial_reason as partial_reason,
        runs.n_skipped as n_skipped,
        cost.n_eligible as n_eligible,
        cost.n_unjudged as n_unjudged,
        cost.n_correct as n_correct,
        cost.n_unscored as n_unscored,
        cost.n_reused as n_reused,
        cost.n_cached as n_cached,
        cost.calls as calls,
        cost.n_unpriced_calls as n_unpriced_calls,
        cost.n_billing_unknown_calls as n_billing_unknown_calls,
        cost.cost_usd as cost_usd,
        cost.judge_cost_usd as judge_cost_usd,
        cost.cost_per_correct_usd as cost_per_correct_usd,
        cost.cost_per_correct_low_usd as cost_per_correct_low_usd,
        cost.cost_status as cost_status,
        cost.reference_cost_usd as reference_cost_usd,
        cost.reference_cost_per_correct_usd as reference_cost_per_correct_usd,
        completeness.rows_read as rows_read,
        completeness.rows_rejected as rows_rejected,
        completeness.records as records,
        completeness.is_complete as is_complete,
        latency.n_requested as n_requested,
        latency.n_wire_answers as n_wire_answers,
        latency.end_to_end_p50_ms as p50_ms,
        latency.end_to_end_p90_ms as p90_ms,
        latency.end_to_end_p99_ms as p99_ms,
        latency.sla_latency_ms as sla_latency_ms,
        latency.sla_share as sla_share,
        latency.share_within_sla as share_within_sla,
        latency.meets_sla as meets_sla
    from rpt_cost_per_correct as cost
    inner join rpt_runs as runs
        on cost.run_id = runs.run_id
    left join rpt_completeness as completeness
        on cost.run_id = completeness.run_id
    left join rpt_latency as latency
        on cost.run_id = latency.run_id
"""

REPORT_RUN = Statement(
    _RUN_METRICS
    + """
    where cost.run_id = @run_id
    """,
    (("run_id", "STRING"),),
    REPORTING,
)

REPORT_LAST_CALLING_RUN = Statement(
    _RUN_METRICS
    + """
    where
        cost.task = @task
        and cost.variant = @variant
        and cost.stage = @stage
        and cost.inference_version = @inference_version
        and cost.run_status = 'completed'
        and cost.calls > 0
    order by runs.run_finished_at desc
    limit 1
    """,
    (("task", "STRING"), ("variant", "STRING"), ("stage", "STRING"), ("inference_version", "STRING")),
    REPORTING,
)

REPORT_RELIABILITY = Statement(
    """
    select
        population,
        slice,
        n_eligible,
        n_unjudged,
        n_correct,
        n_unscored,
        reliability,
        low,
        high,
        method,
        effective_n,
        interval_status,
        interval_reason,
        n_clusters,
        epochs,
        worst_case,
        best_case,
        quality_when_answered,
        n_second_chances,
        n_delivered_correct,
        delivered_rate
    from rpt_run_reliability
    where run_id = @run_id
    order by population, if(slice = 'overall', 0, 1), slice
    """,
    (("run_id", "STRING"),),
    REPORTING,
)

REPORT_REPEATS = Statement(
    """
    select
        population,
        slice,
        k,
        epochs,
        n_records,
        n_clusters,
        pass_at_k,
        pass_at_k_low,
        pass_at_k_high,
        pass_at_k_method,
        pass_at_k_status,
        pass_hat_k,
        pass_hat_k_low,
        pass_hat_k_high,
        pass_hat_k_method,
        pass_hat_k_status,
        variance_between_records,
        variance_within_records,
        within_share
    from rpt_repeats
    where run_id = @run_id
    order by population, if(slice = 'overall', 0, 1), slice, k
    """,
    (("run_id", "STRING"),),
    REPORTING,
)

REPORT_FLAKY = Statement(
    """
    select population, count(distinct concat(tenant_id, ' ', record_id)) as n_flaky
    from rpt_flaky_records
    where run_id = @run_id
    group by population
    order by population
    """,
    (("run_id", "STRING"),),
    REPORTING,
)

REPORT_FAILURES = Statement(
    """
    select status, error_type, n_predictions, share_of_run
    from rpt_failures
    where run_id = @run_id
    order by n_predictions desc, status, error_type
    """,
    (("run_id", "STRING"),),
    REPORTING,
)

REPORT_SCORES = Statement(
    """
    select
        population,
        scorer,
        n_judgements,
        n_no_output,
        n_scored,
        n_unscored,
        n_failed,
        n_passed,
        pass_rate,
        low,
        high,
        method,
        interval_status,
        interval_reason,
        n_fallback,
        delivered_pass_rate,
        delivered_low,
        delivered_high
    from rpt_run_scores
    where run_id = @run_id
    order by population, scorer
    """,
    (("run_id", "STRING"),),
    REPORTING,
)

REPORT_ROUTING = Statement(
    """
    select
        route,
        n_asked,
        n_answers,
        n_wire,
        n_escalated,
        n_escalated_no_valid_answer,
        n_escalated_check,
        n_escalated_confidence,
        cost_usd,
        n_compared,
        n_uncompared,
        routing_saved_usd
    from rpt_routing
    where run_id = @run_id
    order by n_asked desc, route
    """,
    (("run_id", "STRING"),),
    REPORTING,
)

REPORT_CACHING = Statement(
    """
    select
        n_sourced,
        n_wire,
        n_exact_cache,
        n_semantic_cache,
        n_reused,
        input_tokens,
        cached_input_tokens,
        cached_input_share,
        exact_cache_saved_usd,
        semantic_cache_saved_usd,
        reused_saved_usd,
        saved_usd,
        n_unpriced_savings,
        n_embedding_calls,
        embedding_cost_usd,
        net_saved_usd
    from rpt_caching
    where run_id = @run_id
    """,
    (("run_id", "STRING"),),
    REPORTING,
)

REPORT_GATE = Statement(
    """
    select
        gate_id,
        decision,
        is_blocking,
        stage,
        population,
        candidate_variant,
        candidate_inference_version,
        champion_variant,
        champion_inference_version,
        decided_at,
        decided_by,
        previous_decision,
        previous_decided_at
    from rpt_gates
    where task = @task and is_latest
    """,
    (("task", "STRING"),),
    REPORTING,
)

REPORT_GATE_RULES = Statement(
    """
    select
        rule_number,
        rule_name,
        rule_type,
        metric,
        slice,
        bar,
        value,
        lower,
        upper,
        n,
        state,
        reason,
        waiver_owner,
        waiver_expires_on,
        is_waiver_expired
    from rpt_gate_rules
    where task = @task and is_latest
    order by rule_number
    """,
    (("task", "STRING"),),
    REPORTING,
)

REPORT_GATE_SPLIT = Statement(
    """
    select n_gate_cases, n_runs, n_inference_versions, first_asked_at, last_asked_at
    from rpt_gate_split_uses
    where task = @task and is_latest
    order by golden_set_version
    limit 1
    """,
    (("task", "STRING"),),
    REPORTING,
)
