"""Landing rows of the classes of a run: counts of expected and answered classes, and estimates of each class."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import orjson

from assay.inference.keys import content_hash
from assay.records.evaluation import ClassCount, Estimate
from assay.scoring.classes.counts import FIRST_WITHOUT, ClassTally, FieldCell, FieldCodes
from assay.scoring.estimates import EstimateFacts, estimate_row
from assay.scoring.tally import PopulationSlice, Tally
from assay.statistics.classes.classification import Classification, coded_classification
from assay.statistics.conventions import LEVEL
from assay.statistics.measured import Measured, joined, unmeasured
from assay.statistics.sampling import Groups
from assay.tasks.gate_spec import OVERALL

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

PRECISION, RECALL, F1 = "precision", "recall", "f1"
OF_A_CLASS = (PRECISION, RECALL, F1)
MACRO, WEIGHTED = "macro_", "weighted_"
"""Prefixes of the averages over classes: each class alike, or in proportion to its number of expected rows."""
IF_UNDEFINED_IS_1 = "if_undefined_is_1"


def answer_counts(
    classes: ClassTally, tally: Tally, facts: EstimateFacts, versions: Mapping[str, str]
) -> Iterator[ClassCount]:
    """Yields the counts of every field, population and slice; `versions` are those of the scorers."""
    counted_at = datetime.now(UTC)
    for place in tally.places:
        for codes in classes.fields:
            if not codes.has_too_many:
                yield from _counts(codes, tally, place, facts=facts, versions=versions, counted_at=counted_at)


def class_estimates(
    classes: ClassTally, tally: Tally, facts: EstimateFacts, versions: Mapping[str, str]
) -> Iterator[Estimate]:
    """Yields precision, recall and F1 by class, and their averages, for every field that a check compares."""
    for codes in classes.fields:
        scorer = codes.field.scorer
        if scorer is None:
            continue
        if codes.has_too_many:
            yield from _too_many(codes, tally, facts, version=versions[scorer])
            continue
        for place in tally.places:
            for found in _of_place(codes, tally, place):
                yield found.row(facts, place=place, scorer=scorer, version=versions[scorer])


@dataclass(frozen=True, slots=True, kw_only=True)
class _ClassEstimate:
    metric: str
    label: str | None
    measured: Measured
    details: Mapping[str, Any] | None = None

    def row(self, facts: EstimateFacts, *, place: PopulationSlice, scorer: str, version: str) -> Estimate:
        return estimate_row(
            self.measured,
            facts,
            metric=self.metric,
            population=place.population,
            slice=place.slice,
            scorer=scorer,
            scorer_version=version,
            label=self.label,
            details=self.details,
        )


def _counts(
    codes: FieldCodes,
    tally: Tally,
    place: PopulationSlice,
    *,
    facts: EstimateFacts,
    versions: Mapping[str, str],
    counted_at: datetime,
) -> Iterator[ClassCount]:
    import numpy as np

    cell, scorer = codes.cell(tally.rows(place)), codes.field.scorer
    pairs, counts = np.unique(np.stack([cell.expected, cell.answered]), axis=1, return_counts=True)
    for expected, answered, n in zip(*pairs.tolist(), counts.tolist(), strict=True):
        key = [place.population, place.slice, codes.field.field, cell.label(expected), cell.label(answered)]
        status = cell.status(answered)
        yield ClassCount(
            answer_count_id=content_hash(facts.run_id, orjson.dumps([*key, status.value]).decode()),
            run_id=facts.run_id,
            task=facts.task,
            data_date=facts.data_date,
            occurred_at=counted_at,
            tenant_id=facts.tenant_id,
            inference_version=facts.inference_version,
            population=place.population,
            slice=place.slice,
            field=codes.field.field,
            scorer=scorer,
            scorer_version=versions[scorer] if scorer else None,
            expected=cell.label(expected),
            answered=cell.label(answered),
            status=status,
            n=n,
        )


def _of_place(codes: FieldCodes, tally: Tally, place: PopulationSlice) -> Iterator[_ClassEstimate]:
    """Yields the metrics of the rows whose expected class is known; nothing without one."""
    rows = tally.rows(place)
    cell = codes.cell(rows)
    known = cell.expected < FIRST_WITHOUT
    if not known.any():
        return
    truth, given, labels = present(cell, known)
    groups = tally.groups(rows[known])
    missing = int((~known).sum())
    note = f"{missing} of {len(known)} predictions without an expected class: in no class metric" if missing else None
    found = coded_classification(truth, given, groups, labels=labels)
    for one in found.classes:
        for metric in OF_A_CLASS:
            details = {"support": one.support, "predicted": one.predicted}
            yield _ClassEstimate(
                metric=metric, label=one.label, measured=_noted(getattr(one, metric), note), details=details
            )
    with_one = _if_undefined_is_1(found, truth, given, groups)
    for prefix, name in ((MACRO, "macro"), (WEIGHTED, "weighted")):
        for metric in OF_A_CLASS:
            measured = getattr(getattr(found, name), metric)
            details = _average_details(found, getattr(getattr(with_one, name), metric))
            yield _ClassEstimate(
                metric=f"{prefix}{metric}", label=None, measured=_noted(measured, note), details=details
            )


def present(cell: FieldCell, known: NDArray[np.bool_]) -> tuple[NDArray[np.intp], NDArray[np.intp], tuple[str, ...]]:
    """Returns the codes of expected and answered class among the labels that occur, and these labels in order.

    A code after the last label is no class.
    """
    import numpy as np

    expected, answered = cell.expected[known].astype(np.intp), cell.answered[known].astype(np.intp)
    seen = np.union1d(expected, answered[answered < FIRST_WITHOUT])
    given = np.where(answered < FIRST_WITHOUT, np.searchsorted(seen, answered), len(seen))
    return np.searchsorted(seen, expected), given, tuple(cell.labels[code] for code in seen)


def _if_undefined_is_1(
    found: Classification, truth: NDArray[np.intp], given: NDArray[np.intp], groups: Groups
) -> Classification:
    """The metrics if a class without a prediction has a precision of 1, and one without a row a recall of 1."""
    if not any(one.predicted == 0 or one.support == 0 for one in found.classes):
        return found
    return coded_classification(truth, given, groups, labels=found.labels, undefined=1.0)


def _average_details(found: Classification, with_one: Measured) -> dict[str, Any]:
    never_predicted = [one.label for one in found.classes if one.predicted == 0]
    never_expected = [one.label for one in found.classes if one.support == 0]
    details: dict[str, Any] = {"classes": len(found.classes)}
    if never_predicted or never_expected:
        lists = {"never_predicted": never_predicted, "never_expected": never_expected}
        details |= {**lists, IF_UNDEFINED_IS_1: with_one.value}
    return details


def _noted(measured: Measured, note: str | None) -> Measured:
    return replace(measured, reason=joined(measured.reason, note))


def _too_many(codes: FieldCodes, tally: Tally, facts: EstimateFacts, *, version: str) -> Iterator[Estimate]:
    """Yields a row without a value for each population, so that the absence of class metrics has a reason."""
    reason = f"field {codes.field.field} has more than {codes.most} distinct values: no metrics by class"
    for place in tally.places:
        if place.slice == OVERALL:
            none = unmeasured(reason, level=LEVEL, n=len(tally.rows(place)))
            found = _ClassEstimate(metric=f"{MACRO}{F1}", label=None, measured=none)
            yield found.row(facts, place=place, scorer=codes.field.scorer or "", version=version)
