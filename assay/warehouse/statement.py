"""SQL statements with their parameters and dataset, and the statements that several packages share."""

from __future__ import annotations

from dataclasses import dataclass

LANDING, REPORTING, MARTS = "landing", "reporting", "marts"


@dataclass(frozen=True, slots=True)
class Statement:
    """A SQL statement; `parameters` lists the name and type of each query parameter."""

    sql: str
    parameters: tuple[tuple[str, str], ...] = ()
    dataset: str = LANDING


LATEST_RUN = Statement(
    """
    select run_id, data_date
    from runs
    where task = @task and event = 'finished' and status = 'completed'
    order by occurred_at desc
    limit 1
    """,
    (("task", "STRING"),),
)

RUN_IN_MARTS = Statement(
    """
    select count(*) as found
    from fct_predictions
    where run_id = @run_id and run_status = 'completed'
    """,
    (("run_id", "STRING"),),
    MARTS,
)
