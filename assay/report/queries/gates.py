"""Statement of the latest decision of the task's gate."""

from __future__ import annotations

from assay.warehouse.statement import Statement, last_landed, over

LATEST_GATES = Statement(
    over(
        last_landed("decisions", "gate_id", "select * from gates where task = @task"),
        then="""

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
        occurred_at as decided_at,
        decided_by,
        to_json_string(rules) as rules
    from decisions
    order by decisions.occurred_at desc, decisions.landed_at desc, gate_id desc
    limit 2
    """,
    ),
    (("task", "STRING"),),
)
"""The latest decision and the one before it; as `rpt_gates`."""
