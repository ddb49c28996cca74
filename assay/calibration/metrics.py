"""Calibration metrics of a judge: agreement with human labels, error rates and corrected rates.

Every metric applies to one population and slice. If it cannot be computed, a reason takes the place of the value.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from assay.calibration.annotator_agreement import annotator_findings
from assay.calibration.confusion import ClassRates, Confusion, confusion
from assay.calibration.findings import Finding, with_notes, with_rate_notes
from assay.calibration.judge_bias import length_bias
from assay.calibration.label_set import (
    CalibrationSet,
    Domain,
    JudgedAnswer,
    Vote,
    domains,
)
from assay.statistics.agreement import NOMINAL, Scale, cohens_kappa, gwets_ac1, percent_agreement
from assay.statistics.conventions import LEVEL
from assay.statistics.labels.corrected_rates import human_rate, ppi_rate, rogan_gladen_rate
from assay.statistics.labels.labeled_sample import Calibration, CorrectedRate, JudgedSample
from assay.statistics.measured import Measured, Status, unmeasured
from assay.statistics.rates import rate
from assay.statistics.sampling import Sampling

Compute = Callable[[JudgedSample], CorrectedRate]
JUDGED_RATE, HUMAN_RATE, CORRECTED_RATE = "judged_rate", "human_rate", "corrected_rate"
KAPPA, AC1, SAME = "cohens_kappa", "gwets_ac1", "percent_agreement"
SENSITIVITY, SPECIFICITY, LENGTH_BIAS = "sensitivity", "specificity", "length_bias"
AGREEMENT = (KAPPA, AC1, SAME, SENSITIVITY, SPECIFICITY, LENGTH_BIAS)
PPI, ROGAN_GLADEN = "ppi", "rogan_gladen"
"""Names of the corrections: prefixes of the method of an interval, and the method where there is no interval."""
NOT_JUDGED = "the judge has scored none of these predictions"
NO_ORDER = "the levels of the rubric have no order, so that they have no correlation with length"
NO_PASS = "the rubric does not state which levels pass: set `passes` for the judge in task.yml"


def calibration_findings(found: CalibrationSet) -> list[Finding]:
    """All metrics: rates by population and slice, and agreement over all populations and by slice."""
    rates = [finding for domain in domains(found) for finding in _rates(domain)]
    agreement = [finding for domain in domains(found, pooled=True) for finding in _agreement(domain)]
    return [*rates, *agreement, *annotator_findings(found)]


def _rates(domain: Domain) -> Iterator[Finding]:
    judged = [answer for answer in domain.answers if answer.status is not None]
    raw = _judged_rate(domain, judged)
    yield Finding(metric=JUDGED_RATE, population=domain.population, slice=domain.slice, measured=raw)
    yield _corrected(domain, HUMAN_RATE, human_rate, answers=domain.answers, name="none")
    yield _corrected(domain, CORRECTED_RATE, ppi_rate, answers=judged, name=PPI)
    yield _corrected(domain, CORRECTED_RATE, rogan_gladen_rate, answers=judged, name=ROGAN_GLADEN)


def _judged_rate(domain: Domain, judged: list[JudgedAnswer]) -> Measured:
    found = domain.of
    reason = found.judge_mismatch or (None if found.has_passing_levels else NO_PASS)
    if reason or not judged:
        return unmeasured(reason or NOT_JUDGED, level=LEVEL, n=len(judged))
    return rate([answer.passed for answer in judged], domain.sampling(judged, weighted=False))


def _corrected(domain: Domain, metric: str, compute: Compute, *, answers: Sequence[JudgedAnswer], name: str) -> Finding:
    """A rate that uses labels; the rate estimated from human labels alone includes predictions that were not judged."""
    found, human_only = domain.of, metric == HUMAN_RATE
    reason = found.label_refusal or (None if found.has_passing_levels else NO_PASS)
    reason = reason or (None if human_only else found.judge_mismatch)
    if reason or not answers:
        without_value = unmeasured(reason or NOT_JUDGED, level=LEVEL, n=len(answers))
        return Finding.of(domain, metric, replace(without_value, method=name))
    if human_only and not found.is_probability_sample:
        return Finding.of(domain, metric, replace(_unsampled(domain, answers), method=name))
    rated, measured = _with_undecidable(domain, compute, answers, human_only=human_only)
    facts = {PPI: ("tuning",), ROGAN_GLADEN: (SENSITIVITY, SPECIFICITY)}.get(name, ())
    details = {fact: getattr(rated, fact) for fact in facts}
    if measured.value is None:
        measured = replace(measured, method=name)
    return Finding.of(domain, metric, with_rate_notes(measured, domain), details=details or None)


def _unsampled(domain: Domain, answers: Sequence[JudgedAnswer]) -> Measured:
    """The bounds of labels that are no sample: every prediction without a label fails, or every one passes."""
    design, judged = domain.of.source.design, [answer for answer in answers if answer.status is not None]
    beyond = {answer.prediction_id for answer in domain.labeled} - {answer.prediction_id for answer in judged}
    frame = answers if beyond else judged
    shares = [domain.truth(answer).pass_share for answer in frame]
    spanned = rate(shares, domain.sampling(frame, weighted=False))
    return replace(
        spanned,
        value=None,
        status=Status.UNSCORED,
        reason=(
            f"labels of design {design} are not a probability sample: bounds of the worst and the best case for the "
            f"{sum(share is None for share in shares)} of {len(shares)} predictions without a label"
        ),
    )


def _with_undecidable(
    domain: Domain, compute: Compute, answers: Sequence[JudgedAnswer], *, human_only: bool
) -> tuple[CorrectedRate, Measured]:
    """The rate of the decided labels; its bounds include that all predictions with `cannot_tell` fail or pass."""
    rated = compute(_judged(domain, answers, undecidable=None, human_only=human_only))
    measured = rated.measured
    if not domain.undecidable or measured.low is None or measured.high is None:
        return rated, measured
    cases = [compute(_judged(domain, answers, undecidable=case, human_only=human_only)).measured for case in (0.0, 1.0)]
    low = min([measured.low, *(case.low for case in cases if case.low is not None)])
    high = max([measured.high, *(case.high for case in cases if case.high is not None)])
    return rated, replace(measured, low=low, high=high)


def sample_with_failures(domain: Domain, failures: Sequence[JudgedAnswer]) -> JudgedSample | str:
    """The judged predictions of a domain and those without an output, which are known not to pass; or why there is none.

    The rows are in the order of `domain.answers`, followed by the failures.
    """
    import numpy as np

    found = domain.of
    reason = found.label_refusal or found.judge_mismatch or (None if found.has_passing_levels else NO_PASS)
    if reason is not None:
        return reason
    if domain.undecidable:
        return f"annotators chose cannot_tell for {len(domain.undecidable)} predictions: label them, or have them adjudicated"
    judged = _judged(domain, domain.answers, undecidable=None, human_only=False)
    assert judged.inclusion is not None
    none, known = np.full(len(failures), np.nan), np.zeros(len(failures))
    return replace(
        judged,
        judge=np.concatenate([judged.judge, none]),
        labels=np.concatenate([judged.labels, known]),
        inclusion=np.concatenate([judged.inclusion, known + 1]),
        clusters=_clusters([*domain.answers, *failures]),
        strata=None,
    )


def _judged(
    domain: Domain, answers: Sequence[JudgedAnswer], *, undecidable: float | None, human_only: bool
) -> JudgedSample:
    """The sample for an estimate; `undecidable` is the label that stands for `cannot_tell`, if any."""
    import numpy as np

    def score(share: float | None) -> float:
        return np.nan if share is None else share

    def label(answer: JudgedAnswer) -> float:
        unsure = answer.prediction_id in domain.undecidable
        return score(undecidable if unsure else domain.truth(answer).pass_share)

    source, inclusion = domain.of.source, domain.of.inclusion(with_undecidable=undecidable is not None)
    verdicts = [None if answer.passed is None else float(answer.passed) for answer in answers]
    return JudgedSample(
        judge=np.array([0.0 if human_only else score(verdict) for verdict in verdicts]),
        labels=np.array([label(answer) for answer in answers]),
        inclusion=np.array([inclusion.get(answer.prediction_id, np.nan) for answer in answers]),
        clusters=_clusters(answers),
        strata=domain.strata(answers),
        calibration=Calibration(design=source.design, frame=source.frame, drawn_on=source.drawn_on),
    )


def _clusters(answers: Sequence[JudgedAnswer]) -> list[tuple[str, str, str]] | None:
    """The cluster of each prediction, or else its record; None if all predictions are independent."""
    named = [
        ("record", *answer.record) if answer.cluster is None else ("cluster", *answer.cluster) for answer in answers
    ]
    return named if len(set(named)) < len(named) else None


@dataclass(frozen=True, kw_only=True)
class _LabeledVerdicts:
    """The predictions that have both a verdict and a decided human vote."""

    domain: Domain

    @cached_property
    def rows(self) -> list[tuple[JudgedAnswer, Vote, Vote]]:
        """Prediction, the judge's vote, the human vote."""
        found = self.domain.of
        votes = [(answer, found.judged(answer), self.domain.truth(answer)) for answer in self.domain.labeled]
        return [row for row in votes if row[1].level is not None and row[2].level is not None]

    @property
    def levels(self) -> tuple[list[float], list[float]]:
        """The judge's levels and the human levels."""
        pairs = [(judge.level, people.level) for _, judge, people in self.rows]
        return [judge for judge, _ in pairs if judge is not None], [people for _, people in pairs if people is not None]

    @property
    def refusal(self) -> str | None:
        """The reason if judge and human labels cannot be compared, else None."""
        found, labeled = self.domain.of, self.domain.labeled
        if reason := found.label_refusal or found.judge_mismatch:
            return reason
        if not labeled:
            return "no human labels"
        return (
            None
            if self.rows
            else f"none of the {len(labeled)} labeled predictions has both a verdict and a decided label"
        )

    @property
    def without_verdict(self) -> str | None:
        """A note on labeled predictions without a verdict; None if there are none."""
        missing = sum(self.domain.of.judged(answer).level is None for answer in self.domain.labeled)
        return f"{missing} labeled predictions have no verdict" if missing else None

    @cached_property
    def sampling(self) -> Sampling:
        """Clusters and weights of the predictions."""
        return self.domain.sampling([answer for answer, _, _ in self.rows], weighted=True)

    def finding(self, metric: str, measured: Measured, **details: Any) -> Finding:
        """A metric of these predictions."""
        return Finding.of(
            self.domain, metric, with_notes(measured, self.domain, more=self.without_verdict), details=details or None
        )


def _agreement(domain: Domain) -> Iterator[Finding]:
    compared, found = _LabeledVerdicts(domain=domain), domain.of
    if reason := compared.refusal:
        none = unmeasured(reason, level=LEVEL, n=len(domain.labeled))
        yield from (Finding.of(domain, metric, none) for metric in AGREEMENT)
        return
    judge, people = compared.levels
    pairs, sampling = list(zip(judge, people, strict=True)), compared.sampling
    scale = NOMINAL if found.is_nominal else Scale("quadratic", found.levels)
    kappa = cohens_kappa(judge, people, scale=replace(scale, categories=found.levels), sampling=sampling)
    between = sum(answer.value not in found.levels for answer, _, _ in compared.rows)
    yield compared.finding(KAPPA, kappa, weighting=scale.weighting, between_levels=between)
    yield compared.finding(AC1, gwets_ac1(pairs, categories=found.levels, sampling=sampling))
    yield compared.finding(SAME, percent_agreement(pairs, sampling=sampling), confusion=_table(compared))
    yield from _errors(compared)
    if not found.question.is_ordered:
        yield compared.finding(LENGTH_BIAS, unmeasured(NO_ORDER, level=LEVEL, n=len(compared.rows)))
        return
    scores, lengths = ([getattr(row[0], name) for row in compared.rows] for name in ("value", "output_length"))
    yield compared.finding(LENGTH_BIAS, length_bias(scores, lengths, human=people, sampling=sampling))


def _errors(compared: _LabeledVerdicts) -> Iterator[Finding]:
    """Sensitivity and specificity for the passing levels."""
    if not compared.domain.of.has_passing_levels:
        yield from (compared.finding(name, unmeasured(NO_PASS, level=LEVEL)) for name in (SENSITIVITY, SPECIFICITY))
        return
    judge, people = [vote.passed for _, vote, _ in compared.rows], [vote.passed for _, _, vote in compared.rows]
    matrix = confusion(people, judge, categories=(False, True), sampling=compared.sampling)
    passing = next(one for one in matrix.classes if one.label is True)
    yield compared.finding(SENSITIVITY, passing.sensitivity)
    yield compared.finding(SPECIFICITY, passing.specificity)


def _table(compared: _LabeledVerdicts) -> dict[str, Any]:
    """The confusion matrix of all levels with the rates of each; rows are human votes, columns the judge's."""
    found = compared.domain.of
    judge, people = ([found.label_of(level) for level in levels] for levels in compared.levels)
    labels = tuple(level.label for level in sorted(found.question.levels, key=lambda level: level.value))
    matrix: Confusion = confusion(people, judge, categories=labels, sampling=compared.sampling)
    return {"labels": matrix.labels, "counts": matrix.counts, "classes": [_class(one) for one in matrix.classes]}


def _class(one: ClassRates) -> dict[str, Any]:
    rates = {name: getattr(one, name) for name in ("sensitivity", "specificity", "precision")}
    return {
        "label": one.label,
        "support": one.support,
        **{
            name: {"value": found.value, "low": found.low, "high": found.high, "n": found.n}
            for name, found in rates.items()
        },
    }
