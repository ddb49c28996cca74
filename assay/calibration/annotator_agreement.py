"""Agreement among the annotators of a judge's rubric, overall and by pair, without adjudicators."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import combinations
from statistics import fmean
from typing import Any

from assay.calibration.findings import Finding, with_notes
from assay.calibration.label_set import CalibrationSet, Domain, JudgedAnswer, domains
from assay.statistics.agreement import NOMINAL, Metric, Scale, cohens_kappa, krippendorffs_alpha, percent_agreement
from assay.statistics.conventions import LEVEL
from assay.statistics.measured import Measured, unmeasured

ALPHA, PAIRWISE, SAME = "krippendorffs_alpha", "annotator_kappa", "annotator_agreement"
ONE_ANNOTATOR = "only one annotator: agreement needs two"
NONE_SHARED = "no prediction has labels of two annotators"


def annotator_findings(found: CalibrationSet) -> Iterator[Finding]:
    """Krippendorff's alpha, percent agreement and kappa of each pair of annotators; overall and by slice."""
    for domain in domains(found, pooled=True):
        ratings = _Ratings.of(domain)
        reason = found.label_refusal or ratings.refusal
        if reason:
            none = unmeasured(reason, level=LEVEL, n=len(ratings.answers))
            yield from (_finding(domain, ratings, metric, none) for metric in (ALPHA, SAME, PAIRWISE))
            continue
        yield from _agreement(domain, ratings)


@dataclass(frozen=True, kw_only=True)
class _Ratings:
    """The level that each annotator chose, for each labeled prediction."""

    answers: list[JudgedAnswer]
    levels: list[dict[str, float]]

    @classmethod
    def of(cls, domain: Domain) -> _Ratings:
        rows = [(answer, _levels(domain, answer)) for answer in domain.labeled]
        kept = [(answer, levels) for answer, levels in rows if levels]
        return cls(answers=[answer for answer, _ in kept], levels=[levels for _, levels in kept])

    @property
    def annotators(self) -> list[str]:
        """The names of all annotators, sorted."""
        return sorted({name for levels in self.levels for name in levels})

    @property
    def refusal(self) -> str | None:
        """The reason if no agreement can be computed; None if it can."""
        if not self.levels:
            return "no human labels"
        if len(self.annotators) < 2:
            return ONE_ANNOTATOR
        return None if any(len(levels) > 1 for levels in self.levels) else NONE_SHARED


def _levels(domain: Domain, answer: JudgedAnswer) -> dict[str, float]:
    labels = domain.of.by_answer[answer.prediction_id]
    return {label.annotator: label.value for label in labels if label.value is not None and not label.is_adjudication}


def _agreement(domain: Domain, ratings: _Ratings) -> Iterator[Finding]:
    sampling = domain.sampling(ratings.answers, weighted=True)
    rows = [list(levels.values()) for levels in ratings.levels]
    metric: Metric = "nominal" if domain.of.is_nominal else "ordinal"
    alpha = krippendorffs_alpha(rows, metric=metric, sampling=sampling)
    same = percent_agreement(rows, sampling=sampling)
    yield _finding(domain, ratings, ALPHA, alpha, scale=metric)
    yield _finding(domain, ratings, SAME, same)
    pairs = list(_pairs(domain, ratings))
    mean, shown = _lights_kappa([pair for _, _, pair in pairs]), [_pair(*pair) for pair in pairs]
    yield _finding(domain, ratings, PAIRWISE, mean, pairs=shown, weighting=_scale(domain.of).weighting)


def _pairs(domain: Domain, ratings: _Ratings) -> Iterator[tuple[str, str, Measured]]:
    for first, second in combinations(ratings.annotators, 2):
        both = [index for index, levels in enumerate(ratings.levels) if first in levels and second in levels]
        sampling = domain.sampling([ratings.answers[index] for index in both], weighted=True)
        one, other = ([ratings.levels[index][name] for index in both] for name in (first, second))
        yield first, second, cohens_kappa(one, other, scale=_scale(domain.of), sampling=sampling)


def _scale(found: CalibrationSet) -> Scale:
    return NOMINAL if found.is_nominal else Scale("quadratic", found.levels)


def _lights_kappa(pairs: list[Measured]) -> Measured:
    """The kappa of one pair, or the mean of several without an interval: Light, Psychol. Bull. 76 (1971) 365."""
    if len(pairs) == 1:
        return pairs[0]
    values = [pair.value for pair in pairs if pair.value is not None]
    if not values:
        return unmeasured("no pair of annotators has a kappa", level=LEVEL)
    without = f" ({len(pairs) - len(values)} pairs have no kappa)" if len(values) < len(pairs) else ""
    mean = unmeasured(f"mean of {len(values)} pairs{without}: no interval; see the intervals of the pairs", level=LEVEL)
    return replace(mean, value=fmean(values), method="light_mean", n=sum(pair.n for pair in pairs))


def _pair(first: str, second: str, kappa: Measured) -> dict[str, Any]:
    columns = ("value", "low", "high", "method", "n", "status", "reason")
    return {"first": first, "second": second, **{name: getattr(kappa, name) for name in columns}}


def _finding(domain: Domain, ratings: _Ratings, metric: str, measured: Measured, **details: Any) -> Finding:
    """A metric that counts labels instead of predictions, excluding the labels of adjudicators."""
    counted = Counter(level for levels in ratings.levels for level in levels.values())
    counts = {level.label: counted[level.value] for level in domain.of.question.levels}
    shown = {"annotators": ratings.annotators, **details}
    return Finding.of(
        domain, metric, with_notes(measured, domain, counts_undecided=False), counts=counts, details=shown
    )
