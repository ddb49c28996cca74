"""Statements about answers that may be given again: the semantic cache's entries and what a hit saves.

The other statements of the engine are in `statements.py`; tests hold these to the same.
"""

from __future__ import annotations

from assay.warehouse.statements import Statement

SEMANTIC_ENTRIES = Statement(
    """
    select *
    from (
        select * except (landed_at, row_hash)
        from semantic_cache
        where
            task = @task
            and inference_version = @inference_version
            and embedding_provider = @embedding_provider
            and embedding_model = @embedding_model
            and expires_at > @now
        qualify row_number() over (partition by entry_id order by landed_at desc) = 1
        order by occurred_at desc
        limit 50000
    )
    order by occurred_at
    """,
    (
        ("task", "STRING"),
        ("inference_version", "STRING"),
        ("embedding_provider", "STRING"),
        ("embedding_model", "STRING"),
        ("now", "TIMESTAMP"),
    ),
)

LATEST_RECORD = Statement(
    """
    select run_id, record_id, input, input_hash, tenant_id, subject_key
    from records
    where task = @task and record_id = @record_id
    order by landed_at desc
    limit 1
    """,
    (("task", "STRING"), ("record_id", "STRING")),
)

ANSWER_COST = Statement(
    """
    select count(*) as calls, avg(cost_usd) as cost_usd
    from (
        select distinct call_id, cost_usd
        from responses
        where task = @task and purpose = 'answer' and status = 'ok' and cost_usd is not null
    )
    """,
    (("task", "STRING"),),
)
