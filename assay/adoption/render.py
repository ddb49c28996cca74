"""The result of an adoption as a table, as JSON and as notes."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from typing import Any

from assay.adoption.adopt import AdoptedRun
from assay.records.statuses import GoldenSplit
from assay.runs.adopted_answers import NO_ANSWER
from assay.tasks.adopt_spec import ALL_ADOPTED

EVALUATED_BY_DEFAULT = f"golden:{GoldenSplit.GATE}"
COLUMNS = ("variant", "run", "records", "rejected", "valid", "no answer", "other errors", "reliability", "interval")


def row_of_run(run: AdoptedRun) -> tuple[Any, ...]:
    """Returns the row of one variant for the table."""
    found, errors = run.reliability or {}, run.summary.errors
    others = {name: count for name, count in errors.items() if count and name != NO_ANSWER}
    interval = f"{found['low']:.4f} to {found['high']:.4f}" if found.get("low") is not None else None
    return (
        run.variant,
        run.summary.run_id,
        f"{run.summary.records:,}",
        f"{run.summary.rejected:,}",
        f"{run.answered:,}",
        f"{run.without_answer:,}",
        ", ".join(f"{name} {count:,}" for name, count in others.items()) or "0",
        f"{found['value']:.4f}" if found.get("value") is not None else None,
        interval,
    )


def as_values(run: AdoptedRun) -> dict[str, Any]:
    """Returns the result of one variant as plain values, for JSON."""
    return {
        "variant": run.variant,
        "is_known": run.is_known,
        "answered": run.answered,
        "without_answer": run.without_answer,
        "unreadable": run.unreadable,
        "reliability": run.reliability,
        "summary": asdict(run.summary),
    }


def notes(runs: Iterable[AdoptedRun]) -> Iterator[str]:
    """Yields what the user should know about the answers beside the table."""
    for run in runs:
        if run.without_answer:
            yield (
                f"{run.variant}: {run.without_answer:,} of {run.summary.predictions:,} records have no answer (NULL or "
                "empty), and count as failed; AI functions of a warehouse return NULL on an error"
            )
        for name, count in run.unreadable.items():
            yield (f"{run.variant}: {count:,} values of {name} are not finite, non-negative numbers, and land as NULL")


def next_command(task: str, runs: Sequence[AdoptedRun], *, is_limited: bool) -> str:
    """Returns the command that shows one variant, or compares several; a limited run is never compared."""
    first = runs[0]
    if len(runs) == 1 or is_limited:
        return f"assay report {task} --variant {first.variant}"
    selection = "" if first.input == EVALUATED_BY_DEFAULT else f" --input {shlex.quote(first.input)}"
    return f"assay eval {task} --variants {ALL_ADOPTED}{selection}"
