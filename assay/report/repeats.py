"""The scorecard's block on repeats: how often a record's answers are right at least once, and how often always.

Words and layout belong here; figures come in ready.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from assay.formatting import percent
from assay.report.intervals import explained
from assay.statistics.conventions import INTERVAL_TITLE
from assay.tasks.gate_spec import OVERALL

TITLE = "Repeats of the same record"
COLUMNS = ("population", "k", "one of k correct (pass@k)", INTERVAL_TITLE, "all k correct (pass^k)", INTERVAL_TITLE)
ALWAYS_SHOWN, ALSO_SHOWN = 3, frozenset({5, 10, 20, 50, 100})
Figures = Mapping[str, Any]


def repeat_rows(repeats: Sequence[Figures]) -> list[tuple[str, ...]]:
    """A row for each k of a population, of many epochs those that tell most; none where records were asked once."""
    return [
        (row["population"], str(row["k"]), *_measure(row, "pass_at_k"), *_measure(row, "pass_hat_k"))
        for row in repeats
        if row["slice"] == OVERALL and _is_shown(row)
    ]


def flaky_facts(repeats: Sequence[Figures], flaky: Sequence[Figures]) -> Iterator[tuple[str, str]]:
    """How many records are sometimes right and sometimes not, where records were asked several times."""
    records = sum(row["n_records"] for row in repeats if row["slice"] == OVERALL and row["k"] == 1)
    found = sum(row["n_flaky"] for row in flaky)
    if records or found:
        of = f" of {records:,}" if records else ""
        yield "flaky records", f"{found:,}{of} are sometimes right and sometimes not: rpt_flaky_records has them"


def _is_shown(row: Figures) -> bool:
    return bool(row["k"] <= ALWAYS_SHOWN or row["k"] in ALSO_SHOWN or row["k"] == row["epochs"])


def _measure(row: Figures, name: str) -> tuple[str, str]:
    parts = {part: row[f"{name}_{part}"] for part in ("low", "high", "method")}
    bounds = {**parts, "interval_status": row[f"{name}_status"]}
    grouped = {"n_clusters": row["n_clusters"], "n_eligible": row["n_records"]}
    return percent(row[name]), explained({**bounds, **grouped})
