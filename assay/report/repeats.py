"""Renders the repeats section of a scorecard: pass@k, pass^k and flaky records, for runs with several epochs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from assay.formatting import percent
from assay.report.intervals import explained
from assay.statistics.conventions import INTERVAL_TITLE
from assay.tasks.gate_spec import OVERALL

TITLE = "Repeats of the same record"
COLUMNS = (
    "population",
    "k",
    "at least one of k correct (pass@k)",
    INTERVAL_TITLE,
    "all k correct (pass^k)",
    INTERVAL_TITLE,
)
ALWAYS_SHOWN, ALSO_SHOWN = 3, frozenset({5, 10, 20, 50, 100})
MartRow = Mapping[str, Any]


def repeat_rows(repeats: Sequence[MartRow]) -> list[tuple[str, ...]]:
    """Returns a row per population and selected k; no rows for runs with a single epoch."""
    return [
        (row["population"], str(row["k"]), *_measure(row, "pass_at_k"), *_measure(row, "pass_hat_k"))
        for row in repeats
        if row["slice"] == OVERALL and _is_shown(row)
    ]


def flaky_facts(repeats: Sequence[MartRow], flaky: Sequence[MartRow]) -> Iterator[tuple[str, str]]:
    """Yields the number of records that are correct in only some epochs; nothing for runs with a single epoch."""
    records = sum(row["n_records"] for row in repeats if row["slice"] == OVERALL and row["k"] == 1)
    found = sum(row["n_flaky"] for row in flaky)
    if records or found:
        of = f" of {records:,}" if records else ""
        yield "flaky records", f"{found:,}{of} are correct in only some epochs: see rpt_flaky_records"


def _is_shown(row: MartRow) -> bool:
    return bool(row["k"] <= ALWAYS_SHOWN or row["k"] in ALSO_SHOWN or row["k"] == row["epochs"])


def _measure(row: MartRow, name: str) -> tuple[str, str]:
    parts = {part: row[f"{name}_{part}"] for part in ("low", "high", "method")}
    bounds = {**parts, "interval_status": row[f"{name}_status"]}
    grouped = {"n_clusters": row["n_clusters"], "n_eligible": row["n_records"]}
    return percent(row[name]), explained({**bounds, **grouped})
