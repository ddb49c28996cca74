"""SQL statements about the batches of one run."""

from __future__ import annotations

from assay.warehouse.statement import Statement

BATCHES_OF_RUN = Statement(
    """
    select *
    from batches
    where run_id = @run_id and data_date = @data_date
    qualify row_number() over (
        partition by chunk_hash, state
        order by landed_at desc, occurred_at desc
    ) = 1
    order by occurred_at, chunk_hash, state
    """,
    (("run_id", "STRING"), ("data_date", "DATE")),
)
