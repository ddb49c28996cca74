"""How far a judge can be trusted, from people's labels of some of what it judged: agreement, errors, corrected rates.

Pure. Every figure is named, speaks of a population and a slice, and carries the labels it rests on; where there can be none
it has a reason in place of a value. Agreement among people is in `annotators.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from assay.calibration.annotator_agreement import annotator_findings
from assay.calibration.confusion import ClassRates, Confusion, confusion
from assay.calibration.judge_bias import length_bias
from assay.calibration.label_set import CalibrationSet, Domain, Finding, JudgedAnswer, Vote, domains, noted
from assay.statistics.agreement import NOMINAL, Scale, cohens_kappa, gwets_ac1, percent_agreement
from assay.statistics.conventions import LEVEL
from assay.statistics.corrected_rates import human_rate, ppi_rate, rogan_gladen_rate
from assay.statistics.labeled_sample import Calibration, CorrectedRate, JudgedSample
from assay.statistics.measured import Measured, unmeasured
from assay.statistics.rates import rate
from assay.statistics.sampling import Sampling

JUDGED_RATE, HUMAN_RATE, CORRECTED_RATE = "judged_rate", "human_rate", "corrected_rate"
KAPPA, AC1, SAME = "cohens_kappa", "gwets_ac1", "percent_agreement"
SENSITIVITY, SPECIFICITY, LENGTH_BIAS = "sensitivity", "specificity", "length_bias"
AGREEMENT = (KAPPA, AC1, SAME, SENSITIVITY, SPECIFICITY, LENGTH_BIAS)
PPI, ROGAN_GLADEN = "ppi", "rogan_gladen"
"""The corrections by name: the method of an interval begins with it, and is it where there is none."""
NO_PASS = "the rubric does not say which level passes: state `passes` beside the judge in task.yml"


def calibration_findings(found: CalibrationSet) -> list[Finding]:
    """All figures: rates for each population and its slices, agreement for all populations together and the slices."""
    rates = [finding for domain in domains(found) for finding in _rates(domain)]
    agreement = [finding for domain in domains(found, pooled=True) for finding in _agreement(domain)]
    return [*rates, *agreement, *annotator_findings(found)]


def _rates(domain: Domain) -> Iterator[Finding]:
    asked = [answer for answer in domain.answers if answer.status is not None]
    raw = _judged_rate(domain, asked)
    yield Finding(metric=JUDGED_RATE, population=domain.population, slice=domain.slice, measured=raw)
    yield _corrected(domain, HUMAN_RATE, human_rate, answers=domain.answers, name="none")
    yield _corrected(domain, CORRECTED_RATE, ppi_rate, answers=asked, name=PPI)
    yield _corrected(domain, CORRECTED_RATE, rogan_gladen_rate, answers=asked, name=ROGAN_GLADEN)


def _judged_rate(domain: Domain, asked: list[JudgedAnswer]) -> Measured:
    found = domain.of
    reason = found.judge_mismatch or (None if found.decides else NO_PASS)
    if reason or not asked:
        return unmeasured(reason or "the judge was asked about none of these answers", level=LEVEL, n=len(asked))
    return rate([answer.passed for answer in asked], domain.sampling(asked, weighted=False))


def _corrected(
    domain: Domain, metric: str, compute: Callable[[JudgedSample], CorrectedRate], *, answers: Any, name: str
) -> Finding:
    """A rate that rests on labels. Of people alone it speaks of all answers, whether the judge was asked or not."""
    found, alone = domain.of, metric == HUMAN_RATE
    reason = found.label_refusal or (None if found.decides else NO_PASS) or (None if alone else found.judge_mismatch)
    if reason or not answers:
        nothing = unmeasured(reason or "the judge was asked about none of these answers", level=LEVEL, n=len(answers))
        return Finding.of(domain, metric, replace(nothing, method=name))
    rated = compute(_judged(domain, answers, alone=alone))
    measured, facts = rated.measured, {PPI: ("tuning",), ROGAN_GLADEN: (SENSITIVITY, SPECIFICITY)}.get(name, ())
    details = {fact: getattr(rated, fact) for fact in facts}
    if measured.value is None:
        measured = replace(measured, method=name)
    return Finding.of(domain, metric, noted(measured, domain), details=details or None)


def _judged(domain: Domain, answers: list[JudgedAnswer], *, alone: bool) -> JudgedSample:
    import numpy as np

    def score(passed: bool | None) -> float:
        return np.nan if passed is None else float(passed)

    source = domain.of.source
    clusters = _clusters(answers)
    return JudgedSample(
        judge=np.array([0.0 if alone else score(answer.passed) for answer in answers]),
        labels=np.array([score(domain.truth(answer).passed) for answer in answers]),
        inclusion=np.array([source.inclusion.get(answer.prediction_id, np.nan) for answer in answers]),
        clusters=clusters,
        calibration=Calibration(design=source.design, frame=source.frame, drawn_on=source.drawn_on),
    )


def _clusters(answers: list[JudgedAnswer]) -> list[tuple[str, str]] | None:
    """What answers share their luck with: the cluster, else the record, which has several answers if it has epochs."""
    named = [
        ("record", answer.record_id) if answer.cluster_id is None else ("cluster", answer.cluster_id)
        for answer in answers
    ]
    return named if len(set(named)) < len(named) else None


@dataclass(frozen=True, kw_only=True)
class _Compared:
    """The labelled answers on which both the judge and people have a word."""

    domain: Domain

    @cached_property
    def rows(self) -> list[tuple[JudgedAnswer, Vote, Vote]]:
        """Answer, judge, people."""
        found = self.domain.of
        said = [(answer, found.judged(answer), self.domain.truth(answer)) for answer in self.domain.labelled]
        return [row for row in said if row[1].level is not None and row[2].level is not None]

    @property
    def levels(self) -> tuple[list[float], list[float]]:
        """What the judge said, and what people said."""
        said = [(judge.level, people.level) for _, judge, people in self.rows]
        return [judge for judge, _ in said if judge is not None], [people for _, people in said if people is not None]

    @property
    def refusal(self) -> str | None:
        """Why judge and people cannot be compared, None where they can."""
        found, labelled = self.domain.of, self.domain.labelled
        if reason := found.label_refusal or found.judge_mismatch:
            return reason
        if not labelled:
            return "no human labels"
        return (
            None if self.rows else f"none of the {len(labelled)} labelled answers has both a verdict and a clear label"
        )

    @property
    def without_verdict(self) -> str | None:
        """How many labelled answers the judge has no verdict on."""
        missing = sum(self.domain.of.judged(answer).level is None for answer in self.domain.labelled)
        return f"{missing} labelled answers have no verdict" if missing else None

    @cached_property
    def sampling(self) -> Sampling:
        """How the answers were drawn."""
        return self.domain.sampling([answer for answer, _, _ in self.rows], weighted=True)

    def finding(self, metric: str, measured: Measured, **details: Any) -> Finding:
        """A figure of these answers."""
        return Finding.of(
            self.domain, metric, noted(measured, self.domain, more=self.without_verdict), details=details or None
        )


def _agreement(domain: Domain) -> Iterator[Finding]:
    compared, found = _Compared(domain=domain), domain.of
    if reason := compared.refusal:
        none = unmeasured(reason, level=LEVEL, n=len(domain.labelled))
        yield from (Finding.of(domain, metric, none) for metric in AGREEMENT)
        return
    judge, people = compared.levels
    pairs, sampling = list(zip(judge, people, strict=True)), compared.sampling
    scale = NOMINAL if found.is_binary else Scale("quadratic", found.levels)
    kappa = cohens_kappa(judge, people, scale=replace(scale, categories=found.levels), sampling=sampling)
    between = sum(answer.value not in found.levels for answer, _, _ in compared.rows)
    yield compared.finding(KAPPA, kappa, weighting=scale.weighting, between_levels=between)
    yield compared.finding(AC1, gwets_ac1(pairs, categories=found.levels, sampling=sampling))
    yield compared.finding(SAME, percent_agreement(pairs, sampling=sampling), confusion=_table(compared))
    yield from _errors(compared)
    scores, lengths = ([getattr(row[0], name) for row in compared.rows] for name in ("value", "output_length"))
    yield compared.finding(LENGTH_BIAS, length_bias(scores, lengths, human=people, sampling=sampling))


def _errors(compared: _Compared) -> Iterator[Finding]:
    """Sensitivity and specificity for passing."""
    if not compared.domain.of.decides:
        yield from (compared.finding(name, unmeasured(NO_PASS, level=LEVEL)) for name in (SENSITIVITY, SPECIFICITY))
        return
    judge, people = [said.passed for _, said, _ in compared.rows], [said.passed for _, _, said in compared.rows]
    told = confusion(people, judge, categories=(False, True), sampling=compared.sampling)
    passing = next(one for one in told.classes if one.label is True)
    yield compared.finding(SENSITIVITY, passing.sensitivity)
    yield compared.finding(SPECIFICITY, passing.specificity)


def _table(compared: _Compared) -> dict[str, Any]:
    """The confusion of all levels, with what is told of each: rows are people, columns the judge."""
    found = compared.domain.of
    judge, people = ([found.label_of(level) for level in levels] for levels in compared.levels)
    labels = tuple(level.label for level in sorted(found.question.levels, key=lambda level: level.value))
    told: Confusion = confusion(people, judge, categories=labels, sampling=compared.sampling)
    return {"labels": told.labels, "counts": told.counts, "classes": [_class(one) for one in told.classes]}


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
