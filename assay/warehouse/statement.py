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


def over(*expressions: str, then: str) -> str:
    """Returns a statement that begins with the common table expressions; `then` is the rest, with further ones first."""
    return "with" + joined(*expressions) + then


def joined(*expressions: str) -> str:
    """Returns several common table expressions as one."""
    return ",".join(expressions)


COMPLETED = "status = 'completed'"
"""Condition on rows of `runs`: a run that completed stays completed."""


def first_landed(name: str, key: str, select: str) -> str:
    """Returns the expression `name` with the row of each key that landed first; a repeated append changes nothing."""
    return _deduplicated(name, key, select, order="asc")


def last_landed(name: str, key: str, select: str, *, prefer: str | None = None) -> str:
    """Returns the expression `name` with the row of each key that landed last: later rows replace earlier ones.

    Rows for which the condition `prefer` holds go before the others.
    """
    return _deduplicated(name, key, select, order="desc", prefer=prefer)


def _deduplicated(name: str, key: str, select: str, *, order: str, prefer: str | None = None) -> str:
    landed = ", ".join(f"{column} {order}" for column in ("landed_at", "occurred_at", "row_hash"))
    if prefer is not None:
        landed = f"if({prefer}, 0, 1), {landed}"
    return f"""
    {name} as (
        {select.strip()}
        qualify row_number() over (
            partition by {key}
            order by {landed}
        ) = 1
    )"""


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

GATE_SPLIT_USES = Statement(
    over(
        first_landed(
            "cases",
            "golden_set_version, case_id",
            """
        select golden_set_version, case_id, split, input, expected
        from golden_cases
        where task = @task
            """,
        ),
        """
    -- Golden set versions with the same gate cases count as one split, with all its earlier uses.
    splits as (
        select
            golden_set_version,
            count(*) as n_gate_cases,
            to_hex(sha256(string_agg(
                concat(case_id, '|', to_json_string(input), '|', coalesce(to_json_string(expected), '')),
                '|'
                order by case_id
            ))) as split_hash
        from cases
        where split = 'gate'
        group by golden_set_version
    )""",
        last_landed(
            "finished_runs", "run_id", "select * from runs where task = @task and event = 'finished'", prefer=COMPLETED
        ),
        then=""",

    uses as (
        select
            splits.split_hash as split_hash,
            count(distinct finished_runs.run_id) as n_runs,
            count(distinct finished_runs.inference_version) as n_inference_versions,
            min(finished_runs.occurred_at) as first_asked_at,
            max(finished_runs.occurred_at) as last_asked_at
        from splits
        inner join finished_runs
            on splits.golden_set_version = finished_runs.golden_set_version
        where
            finished_runs.status = 'completed'
            and (starts_with(finished_runs.input_source, 'golden@') or starts_with(finished_runs.input_source, 'golden:gate@'))
        group by splits.split_hash
    )

    select
        splits.golden_set_version as golden_set_version,
        splits.n_gate_cases as n_gate_cases,
        coalesce(uses.n_runs, 0) as n_runs,
        coalesce(uses.n_inference_versions, 0) as n_inference_versions,
        uses.first_asked_at as first_asked_at,
        uses.last_asked_at as last_asked_at
    from splits
    left join uses
        on splits.split_hash = uses.split_hash
    order by uses.last_asked_at desc, splits.golden_set_version asc
    """,
    ),
    (("task", "STRING"),),
)
"""The uses of the gate cases of each golden set version, the one used last first; as `rpt_gate_split_uses`."""
