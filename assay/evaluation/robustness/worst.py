"""The drop under the worst of several kinds of perturbation, on which a rule of the gate is decided."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from assay.evaluation.comparisons import MetricSlice
from assay.evaluation.robustness.measure import Robustness
from assay.records.statuses import Perturbation
from assay.statistics.conventions import ERROR
from assay.statistics.measured import Status
from assay.statistics.multiple.lowest import LowestBounds
from assay.statistics.one_sided import OneSidedBounds
from assay.statistics.paired import PairedComparison

NOT_PERTURBED = "not measured: run `assay eval` with --perturb"


@dataclass(frozen=True, slots=True, kw_only=True)
class WorstDrop:
    """The lowest difference of the compared kinds, with bounds that hold for all of them; None if it is not measured."""

    difference: float | None = None
    bounds: OneSidedBounds | None = None
    n: int = 0
    method: str = "none"
    status: Status = Status.NONE
    reason: str | None = None
    kinds: tuple[Perturbation, ...] = ()


def worst_drop(
    robustness: Robustness | None, required: Sequence[Perturbation], place: MetricSlice, *, margin: float
) -> WorstDrop:
    """The drop that decides a rule with this margin; not measured if a required kind is missing, or no record is changed and scored.

    If the comparison of one kind is inconclusive, so is the drop, unless another kind misses the margin.
    """
    results = {kind: robustness.of(kind) if robustness else None for kind in required}
    if missing := [kind for kind, result in results.items() if result is None]:
        named = f" ({', '.join(missing)})" if robustness else ""
        return WorstDrop(reason=f"{NOT_PERTURBED}{named}")
    found = {
        kind: compared.comparison
        for kind, result in results.items()
        if result is not None and (compared := result.compared(*place)) is not None
    }
    if not found:
        return WorstDrop(reason="no record is changed and scored on both inputs")
    if len(found) == 1:
        return _of_kind(*next(iter(found.items())), kinds=tuple(found))
    undecided = next((kind for kind, one in found.items() if one.status is Status.INCONCLUSIVE), None)
    if undecided is not None and not _is_missed(found, margin=margin):
        return _of_kind(undecided, found[undecided], kinds=tuple(found))
    worst = min(found, key=lambda kind: found[kind].lower)
    return WorstDrop(
        difference=found[worst].difference,
        bounds=LowestBounds(tuple(one.bounds for one in found.values())),
        n=min(one.n for one in found.values()),
        method=f"worst_kind:{worst.value}",
        status=Status.OK,
        reason=f"the lowest lower bound is that of {worst}",
        kinds=tuple(found),
    )


def _of_kind(kind: Perturbation, one: PairedComparison, *, kinds: tuple[Perturbation, ...]) -> WorstDrop:
    return WorstDrop(
        difference=one.difference,
        bounds=one.bounds,
        n=one.n,
        method=one.method,
        status=one.status,
        reason=f"{kind}: {one.reason}" if one.reason else None,
        kinds=kinds,
    )


def _is_missed(found: Mapping[Perturbation, PairedComparison], *, margin: float) -> bool:
    """True if a kind with a conclusive comparison misses the margin, tested among all kinds (Bonferroni)."""
    decided = [one.bounds.p_below(-margin) for one in found.values() if one.status is not Status.INCONCLUSIVE]
    return len(found) * min(decided, default=1.0) <= ERROR
