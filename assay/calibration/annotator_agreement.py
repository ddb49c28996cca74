"""How far people agree with each other about a judge's rubric: among all of them, and two by two.

Pure. An adjudicator, who was asked because others did not agree, is not one of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import combinations
from statistics import fmean
from typing import Any

from assay.calibration.label_set import CalibrationSet, Domain, Finding, JudgedAnswer, domains, noted
from assay.statistics.agreement import NOMINAL, Scale, cohens_kappa, krippendorffs_alpha, percent_agreement
from assay.statistics.conventions import LEVEL
from assay.statistics.measured import Measured, unmeasured

ALPHA, PAIRWISE, SAME = "krippendorffs_alpha", "annotator_kappa", "annotator_agreement"
ONE_ANNOTATOR = "one annotator only: agreement among people needs two"
NONE_SHARED = "no answer has labels of two annotators"


def annotator_findings(found: CalibrationSet) -> Iterator[Finding]:
    """Alpha on the rubric's scale, the share of labels that are the same, and kappa of each pair; overall and by slice."""
    for domain in domains(found, pooled=True):
        ratings = _Ratings.of(domain)
        reason = found.label_refusal or ratings.refusal
        if reason:
            none = unmeasured(reason, level=LEVEL, n=len(ratings.answers))
            yield from (_finding(domain, ratings, metric, none) for metric in (ALPHA, SAME, PAIRWISE))
            continue
        yield from _among(domain, ratings)


@dataclass(frozen=True, kw_only=True)
class _Ratings:
    """What each annotator said of each answer that any of them labelled."""

    answers: list[JudgedAnswer]
    said: list[dict[str, float]]

    @classmethod
    def of(cls, domain: Domain) -> _Ratings:
        rows = [(answer, _said(domain, answer)) for answer in domain.labelled]
        kept = [(answer, said) for answer, said in rows if said]
        return cls(answers=[answer for answer, _ in kept], said=[said for _, said in kept])

    @property
    def annotators(self) -> list[str]:
        """Who labelled."""
        return sorted({name for said in self.said for name in said})

    @property
    def refusal(self) -> str | None:
        """Why nothing can be said of agreement, None where something can."""
        if not self.said:
            return "no human labels"
        if len(self.annotators) < 2:
            return ONE_ANNOTATOR
        return None if any(len(said) > 1 for said in self.said) else NONE_SHARED


def _said(domain: Domain, answer: JudgedAnswer) -> dict[str, float]:
    labels = domain.of.by_answer[answer.prediction_id]
    return {label.annotator: label.value for label in labels if label.value is not None and not label.is_adjudication}


def _among(domain: Domain, ratings: _Ratings) -> Iterator[Finding]:
    sampling = domain.sampling(ratings.answers, weighted=True)
    rows = [list(said.values()) for said in ratings.said]
    is_binary = domain.of.is_binary
    alpha = krippendorffs_alpha(rows, metric="nominal" if is_binary else "ordinal", sampling=sampling)
    same = percent_agreement(rows, sampling=sampling)
    yield _finding(domain, ratings, ALPHA, alpha, scale="nominal" if is_binary else "ordinal")
    yield _finding(domain, ratings, SAME, same)
    pairs = list(_pairs(domain, ratings))
    mean, shown = _lights_kappa([pair for _, _, pair in pairs]), [_pair(*pair) for pair in pairs]
    yield _finding(domain, ratings, PAIRWISE, mean, pairs=shown, weighting=_scale(domain.of).weighting)


def _pairs(domain: Domain, ratings: _Ratings) -> Iterator[tuple[str, str, Measured]]:
    for first, second in combinations(ratings.annotators, 2):
        both = [place for place, said in enumerate(ratings.said) if first in said and second in said]
        sampling = domain.sampling([ratings.answers[place] for place in both], weighted=True)
        one, other = ([ratings.said[place][name] for place in both] for name in (first, second))
        yield first, second, cohens_kappa(one, other, scale=_scale(domain.of), sampling=sampling)


def _scale(found: CalibrationSet) -> Scale:
    return NOMINAL if found.is_binary else Scale("quadratic", found.levels)


def _lights_kappa(pairs: list[Measured]) -> Measured:
    """The one pair's kappa, or the mean of several: Light, Psychol. Bull. 76 (1971) 365. The mean has no interval."""
    if len(pairs) == 1:
        return pairs[0]
    values = [pair.value for pair in pairs if pair.value is not None]
    if not values:
        return unmeasured("no pair of annotators has a kappa", level=LEVEL)
    without = f", {len(pairs) - len(values)} pairs have none" if len(values) < len(pairs) else ""
    mean = unmeasured(f"mean of {len(values)} pairs{without}: the intervals are theirs", level=LEVEL)
    return replace(mean, value=fmean(values), method="light_mean", n=sum(pair.n for pair in pairs))


def _pair(first: str, second: str, kappa: Measured) -> dict[str, Any]:
    columns = ("value", "low", "high", "method", "n", "status", "reason")
    return {"first": first, "second": second, **{name: getattr(kappa, name) for name in columns}}


def _finding(domain: Domain, ratings: _Ratings, metric: str, measured: Measured, **details: Any) -> Finding:
    """Counts are of labels here, for each is a rating; adjudicators are left out."""
    counted = Counter(level for said in ratings.said for level in said.values())
    counts = {level.label: counted[level.value] for level in domain.of.question.levels}
    shown = {"annotators": ratings.annotators, **details}
    return Finding.of(domain, metric, noted(measured, domain, counts_undecided=False), counts=counts, details=shown)
