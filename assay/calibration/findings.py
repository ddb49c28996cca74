"""A metric of a calibration with the facts about its labels, and the notes that its reason holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from assay.calibration.label_set import CalibrationFacts, Domain
from assay.labels.questions import CANNOT_TELL
from assay.statistics.measured import Measured, Status, joined


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A metric with its estimate; `facts` and `label_counts` are None for a metric that uses no human labels."""

    metric: str
    population: str
    slice: str
    measured: Measured
    facts: CalibrationFacts | None = None
    label_counts: Mapping[str, int] | None = None
    details: Mapping[str, Any] | None = None

    @classmethod
    def of(
        cls,
        domain: Domain,
        metric: str,
        measured: Measured,
        *,
        counts: Mapping[str, int] | None = None,
        details: Mapping[str, Any] | None = None,
    ) -> Finding:
        """A metric that uses the labels of the domain."""
        return cls(
            metric=metric,
            population=domain.population,
            slice=domain.slice,
            measured=measured,
            facts=domain.facts,
            label_counts=domain.label_counts if counts is None else counts,
            details=details,
        )


def with_notes(
    measured: Measured, domain: Domain, *, more: str | None = None, counts_undecided: bool = True
) -> Measured:
    """The estimate with notes on omitted predictions; inconclusive unless the labels are a probability sample."""
    facts = domain.facts
    if measured.value is None:
        return measured
    omitted = {CANNOT_TELL: facts.n_cannot_tell, "undecided": facts.n_undecided if counts_undecided else 0}
    left_out = ", ".join(f"{count} {why}" for why, count in omitted.items() if count)
    notes = [measured.reason, f"omitted predictions: {left_out}" if left_out else None, more, other_kinds(facts)]
    if domain.of.is_probability_sample:
        return replace(measured, reason=joined(*notes))
    notes.append(f"labels of design {facts.design} are not a probability sample: valid for these predictions only")
    return replace(measured, status=Status.INCONCLUSIVE, reason=joined(*notes))


def with_rate_notes(measured: Measured, domain: Domain) -> Measured:
    """The rate with notes on ties, on predictions with `cannot_tell`, and on labels that it does not use."""
    facts = domain.facts
    if measured.value is None and measured.low is None:
        return measured
    ties = f"{facts.n_tied} ties of annotators counted as half a pass" if facts.n_tied else None
    unsure = f"{facts.n_cannot_tell} {CANNOT_TELL}: bounds include that they fail and that they pass"
    notes = [measured.reason, ties, unsure if facts.n_cannot_tell else None, other_kinds(facts)]
    return replace(measured, reason=joined(*notes))


def other_kinds(facts: CalibrationFacts) -> str | None:
    """A note on labels of users and models; None if there are none."""
    return f"{facts.n_other_kinds} labels of users or models not used" if facts.n_other_kinds else None
