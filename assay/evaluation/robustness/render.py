"""Formats the robustness of an evaluation: a row per kind, the answers that broke, and JSON values."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from assay.evaluation.robustness.examples import BrokenAnswer
from assay.evaluation.robustness.measure import KindResult, PerturbedComparison, Robustness
from assay.formatting import NOTHING, percent, points, record_name
from assay.inputs.perturb.perturb import REMOVES_INFORMATION
from assay.records.statuses import Perturbation
from assay.statistics.conventions import INTERVAL_TITLE
from assay.statistics.measured import Measured, Status
from assay.tasks.gate_spec import OVERALL

TITLE = "Robustness: the candidate on perturbed input against the original input, largest drop first"
COLUMNS = (
    "kind",
    "metric",
    "slice",
    "perturbed, original",
    f"difference, {INTERVAL_TITLE}",
    "adjusted p",
    "+ / −",
    "changed records",
)
BROKEN_TITLE = "One answer per kind that was correct on the original input"
BROKEN_COLUMNS = ("kind", "record", "perturbed input", "expected", "before", "after")
MOST_CHARACTERS = 160
"""Characters of a text that a table shows."""
COMPARED = (
    "difference",
    "low",
    "high",
    "lower",
    "upper",
    "p_value",
    "n",
    "clusters",
    "gains",
    "losses",
    "method",
    "reason",
)


def robustness_tables(robustness: Robustness) -> Iterator[tuple[str, tuple[str, ...], list[tuple[str, ...]]]]:
    """The table of kinds, and the table of answers that broke if there are any."""
    yield TITLE, COLUMNS, [row for result in robustness.kinds for row in _rows(result)]
    broken = [(result.kind, result.broken) for result in robustness.kinds if result.broken is not None]
    if broken:
        yield BROKEN_TITLE, BROKEN_COLUMNS, [_broken_row(kind, one) for kind, one in broken]


def robustness_notes(robustness: Robustness) -> Iterator[str]:
    """Notes on kinds that change the information in a case, and on responses to the injected sentence."""
    measured = {result.kind for result in robustness.kinds if result.perturbed is not None}
    for kind in sorted(measured & REMOVES_INFORMATION):
        yield (
            f"{kind} removes information and keeps the expected value, so its drop includes cases that nobody could answer "
            "any more"
        )
    if Perturbation.MIXED_LANGUAGE in measured:
        yield "mixed_language puts a greeting and a closing in another language around the text; it is not a translation"
    for result in robustness.kinds:
        if result.followed is not None:
            yield (
                f"injection: the responses of {_share(result.followed)} of the changed records contain the marker of the "
                "injected sentence, and did not without it"
            )


def robustness_values(robustness: Robustness) -> list[dict[str, Any]]:
    """Every kind as JSON values, the largest drop first."""
    return [_values(result) for result in robustness.kinds]


def _rows(result: KindResult) -> list[tuple[str, ...]]:
    if not result.comparisons:
        why = "changes no record" if result.perturbed is None else "no record is scored on both inputs"
        return [(result.kind, NOTHING, OVERALL, NOTHING, why, NOTHING, NOTHING, _changed(result, result.n_changed))]
    return [_row(result, one) for one in result.comparisons]


def _row(result: KindResult, one: PerturbedComparison) -> tuple[str, ...]:
    found = one.comparison
    note = f" ({found.status.value.replace('_', ' ')})" if found.status is not Status.OK else ""
    return (
        result.kind,
        one.metric,
        one.slice,
        f"{percent(found.candidate_rate)}, {percent(found.champion_rate)}",
        f"{points(found.difference)}, {points(found.low)} to {points(found.high)}",
        f"{one.adjusted_p:.2g}",
        f"{found.gains} / {found.losses}",
        _changed(result, found.n) + note,
    )


def _changed(result: KindResult, changed: int) -> str:
    return f"{changed:,} of {result.n_records:,}"


def _broken_row(kind: str, broken: BrokenAnswer) -> tuple[str, ...]:
    fields = "; ".join(f"{name}: {text}" for name, text in broken.fields.items())
    return (
        kind,
        record_name(broken.record_id),
        _short(fields),
        _short(_shown(broken.expected)),
        _short(_shown(broken.before)),
        _short(_shown(broken.after)) if broken.after is not None else broken.status,
    )


def _shown(value: object) -> str:
    if isinstance(value, Mapping) and len(value) == 1:
        value = next(iter(value.values()))
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _short(text: str) -> str:
    """The start and the end of a long text, because a perturbation may be at either."""
    half = (MOST_CHARACTERS - 1) // 2
    return text if len(text) <= MOST_CHARACTERS else f"{text[:half]}…{text[-half:]}"


def _share(measured: Measured) -> str:
    if measured.value is None or measured.low is None or measured.high is None:
        return NOTHING
    return f"{percent(measured.value)} ({percent(measured.low)} to {percent(measured.high)})"


def _values(result: KindResult) -> dict[str, Any]:
    broken, followed = result.broken, result.followed
    return {
        "kind": result.kind.value,
        "removes_information": result.kind in REMOVES_INFORMATION,
        "run_id": result.perturbed.run_id if result.perturbed else None,
        "is_reused": result.perturbed.is_reused if result.perturbed else None,
        "n_records": result.n_records,
        "n_changed": result.n_changed,
        "comparisons": [_comparison_values(one) for one in result.comparisons],
        "followed_injection": None
        if followed is None
        else {"value": followed.value, "low": followed.low, "high": followed.high, "n": followed.n},
        "broken": None
        if broken is None
        else {
            "record_id": broken.record_id,
            "input": dict(broken.fields),
            "expected": broken.expected,
            "before": broken.before,
            "after": broken.after,
            "status": broken.status,
        },
    }


def _comparison_values(one: PerturbedComparison) -> dict[str, Any]:
    found = one.comparison
    return {
        "metric": one.metric,
        "slice": one.slice,
        "perturbed_rate": found.candidate_rate,
        "original_rate": found.champion_rate,
        "margin": one.margin,
        "status": found.status.value,
        **{name: getattr(found, name) for name in COMPARED},
        "adjusted_p": one.adjusted_p,
    }
