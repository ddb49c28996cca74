"""Reliability of a run by population and slice, computed once and landed as `estimates`.

Covers independent records asked once. Clusters and several epochs need other methods: no interval is given for them,
and the status says why.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Protocol

from assay.evals.statistics import LEVEL, proportion_interval
from assay.inference.keys import content_hash
from assay.inference.request import RunFacts
from assay.records import Estimate
from assay.tasks.task import Task
from assay.version import code_version

RELIABILITY = "reliability"
OVERALL = "overall"
MOST_UNSCORED = 0.01
ANSWERED = frozenset({"ok", "repaired"})
SKIPPED = "skipped_budget"


@dataclass
class Tally:
    """Counts of one population and slice; `clusters` holds a hash of each cluster seen."""

    eligible: int = 0
    correct: int = 0
    unscored: int = 0
    unclustered: int = 0
    clusters: set[int] = field(default_factory=set)

    @property
    def independent(self) -> int:
        """Clusters, a record without one counting as its own."""
        return len(self.clusters) + self.unclustered


class Verdict(Protocol):
    """What one scorer said, as a record or as it landed."""

    @property
    def status(self) -> str:
        """scored, or why not."""
        ...

    @property
    def passed(self) -> bool | None:
        """Whether it passed; None where that was not decided."""
        ...


def is_correct(task: Task, status: str, scores: Mapping[str, Verdict]) -> bool | None:
    """Whether a prediction counts as correct: every scorer of `correct:` passed; None when that cannot be said.

    A failed, refused or invalid answer is not correct; a fallback only where the task says that it may be.
    """
    if not task.spec.correct:
        return None
    if status == "fallback" and not task.spec.fallback_counts:
        return False
    if status not in ANSWERED and status != "fallback":
        return False
    said = [scores.get(name) for name in task.spec.correct]
    verdicts = [verdict.passed if verdict is not None and verdict.status == "scored" else None for verdict in said]
    return None if None in verdicts else all(verdicts)


class ReliabilityTallies:
    """Counts predictions as they are scored; memory grows with slices and clusters, not with records."""

    def __init__(self) -> None:
        self._tallies: dict[tuple[str, str], Tally] = {}

    def add(
        self, *, population: str, slices: Iterable[str], cluster_id: str | None, status: str, correct: bool | None
    ) -> None:
        """One more prediction is counted, overall and in each of its slices."""
        if status == SKIPPED:
            return
        for name in (OVERALL, *slices):
            tally = self._tallies.setdefault((population, name), Tally())
            tally.eligible += 1
            tally.correct += correct is True
            tally.unscored += correct is None
            if cluster_id is None:
                tally.unclustered += 1
            else:
                tally.clusters.add(int(cluster_id[:16], 16))

    def estimates(self, task: Task, facts: RunFacts, *, epochs: int) -> Iterator[Estimate]:
        """One row for each population and slice, with its interval or the reason for none."""
        for (population, name), tally in sorted(self._tallies.items()):
            yield _estimate(task, facts, population, name, tally, epochs=epochs)


def _estimate(task: Task, facts: RunFacts, population: str, name: str, tally: Tally, *, epochs: int) -> Estimate:
    scored, reason = tally.eligible - tally.unscored, _why_no_interval(tally, epochs=epochs)
    interval = proportion_interval(tally.correct, scored) if reason is None else None
    method = interval.method if interval else "none"
    return Estimate(
        estimate_id=content_hash(facts.run_id, RELIABILITY, population, name, method),
        evaluation_id=facts.run_id,
        run_id=facts.run_id,
        task=facts.task,
        data_date=facts.data_date,
        occurred_at=datetime.now(UTC),
        tenant_id="default",
        metric=RELIABILITY,
        population=population,
        slice=name,
        method=method,
        value=tally.correct / scored if scored and tally.unscored <= MOST_UNSCORED * tally.eligible else None,
        low=interval.low if interval else None,
        high=interval.high if interval else None,
        level=LEVEL,
        n=scored,
        clusters=tally.independent,
        effective_n=float(scored) if interval else None,
        inference_version=facts.inference_version,
        golden_set_version=task.versions.golden_set,
        policy_version=task.versions.policy,
        status="ok" if interval else "none",
        reason=reason,
        code_version=code_version(),
    )


def _why_no_interval(tally: Tally, *, epochs: int) -> str | None:
    if tally.unscored > MOST_UNSCORED * tally.eligible:
        return f"{tally.unscored} of {tally.eligible} predictions could not be scored"
    if tally.eligible == tally.unscored:
        return "no prediction"
    if epochs > 1:
        return "several epochs of the same record are not independent"
    if tally.independent < tally.eligible:
        return f"{tally.eligible} predictions in {tally.independent} clusters are not independent"
    return None
