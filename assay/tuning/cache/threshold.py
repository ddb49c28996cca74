"""Chooses when a cached answer may stand for another question's, from questions with labelled neighbours.

Pure statistics: similarities and labels in, a verdict with its evidence out. Embedding the questions is the pipeline's part.

A rule is a least similarity of the nearest neighbour, and by how much it must be nearer than the nearest one with another
answer: a question between two answers is left to the model. A hit is false when the answer is not right for the question. The questions are split in halves. On the first, the rules
that look good enough are put in order; on the second, held out, they are tested in that order until one fails
(fixed-sequence testing, so no level is shared out: Angelopoulos et al., "Learn then Test", 2021). Each test asks whether
the exact one-sided upper bound (Clopper and Pearson, Biometrika 1934) of the false-hit rate is at most `most_false`.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from assay.statistics.conventions import CACHE_FLOOR_SHARE, ERROR, MAX_FALSE_HIT_SHARE, MOST_RECORDS
from assay.statistics.exact_tests import rate_bounds

CANDIDATES = 200
DIGITS = 4


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A question that was answered before: its cosine similarity, and whether its answer is right for the new one, too.

    `answer` is whatever tells its answer from another one, None where only `same` is known.
    """

    similarity: float
    same: bool
    answer: str | None = None

    def differs(self, other: Neighbour) -> bool:
        """True when the two have other answers; two that are both wrong are taken for one where nothing else is known.

        So a hit is rather counted as false than not counted.
        """
        if self.answer is None or other.answer is None:
            return self.same != other.same
        return self.answer != other.answer


CachedQuestion = tuple[Neighbour, ...]
"""A new question by its neighbours, nearest first."""


@dataclass(frozen=True, slots=True, order=True)
class ThresholdRule:
    """A hit wants the nearest neighbour at least `threshold` similar, by `margin` more than the nearest with another answer."""

    margin: float
    threshold: float

    def hits(self, question: CachedQuestion) -> bool:
        """True when the question is answered from the cache."""
        return bool(question) and question[0].similarity >= self.threshold and lead(question) >= self.margin


@dataclass(frozen=True, slots=True, kw_only=True)
class HitCounts:
    """What a rule does on one half: of `questions`, `hits` are answered from the cache, `false_hits` of them wrongly.

    `most_false` is the upper bound of the false-hit rate at the level of the test, 1 without hits.
    """

    questions: int
    hits: int
    false_hits: int
    most_false: float

    @property
    def hit_rate(self) -> float:
        """Hits in all questions."""
        return self.hits / self.questions if self.questions else 0.0

    @property
    def precision(self) -> float | None:
        """Right hits in all hits, None without hits."""
        return 1 - self.false_hits / self.hits if self.hits else None


class ThresholdStatus(StrEnum):
    """Whether a rule qualifies."""

    OK = "ok"
    TOO_FEW = "too_few"
    """More questions may do."""
    TOO_MANY_FALSE = "too_many_false"
    """No number of questions like these would do."""


EXIT_CODES = {ThresholdStatus.OK: 0, ThresholdStatus.TOO_MANY_FALSE: 1, ThresholdStatus.TOO_FEW: 2}


@dataclass(frozen=True, slots=True, kw_only=True)
class ThresholdChoice:
    """The rule with the most hits that holds on the held-out half, or why there is none.

    `questions_needed` is set where there are too few: in all, if the rates stay as they are. `rule` is None unless one
    qualifies; `looked_at` is the rule, or else the most promising one, of which `chosen` (first half) and `held_out` tell.
    """

    status: ThresholdStatus
    rule: ThresholdRule | None
    looked_at: ThresholdRule
    chosen: HitCounts
    held_out: HitCounts
    questions_needed: int | None


def choose_threshold(
    questions: Sequence[CachedQuestion],
    *,
    rng: random.Random,
    most_false: float = MAX_FALSE_HIT_SHARE,
    delta: float = ERROR,
) -> ThresholdChoice:
    """The choice with its evidence; with probability 1 - `delta` the false-hit rate is at most `most_false`.

    That holds for new questions drawn like these, against a cache filled like theirs.

    Raises:
        ValueError: there are fewer than two questions, or a similarity is not a number.
    """
    if len(questions) < 2 or any(math.isnan(near.similarity) for question in questions for near in question):
        raise ValueError(f"{len(questions)} questions: expected at least two, with similarities that are numbers")
    shuffled = list(questions)
    rng.shuffle(shuffled)
    first, second = shuffled[: len(shuffled) // 2], shuffled[len(shuffled) // 2 :]
    bounds = {rule: counts_at(first, rule, delta=delta) for rule in _rules(first)}
    ordered = _in_order(bounds, most_false=most_false)
    best: ThresholdRule | None = None
    for rule in ordered:
        if counts_at(second, rule, delta=delta).most_false > most_false:
            break
        best = rule
    shown = best or ordered[0]
    chosen, held_out = bounds[shown], counts_at(second, shown, delta=delta)
    needed = None if best else questions_needed(chosen, held_out, most_false=most_false, delta=delta)
    status = ThresholdStatus.TOO_MANY_FALSE if needed is None else ThresholdStatus.TOO_FEW
    return ThresholdChoice(
        status=ThresholdStatus.OK if best else status,
        rule=best,
        looked_at=shown,
        chosen=chosen,
        held_out=held_out,
        questions_needed=needed,
    )


def counts_at(questions: Sequence[CachedQuestion], rule: ThresholdRule, *, delta: float = ERROR) -> HitCounts:
    """What the rule does on these questions."""
    hits = [question for question in questions if rule.hits(question)]
    false_hits = sum(not question[0].same for question in hits)
    return HitCounts(
        questions=len(questions),
        hits=len(hits),
        false_hits=false_hits,
        most_false=upper_bound(false_hits, len(hits), delta=delta),
    )


def lead(question: CachedQuestion) -> float:
    """How much more similar the nearest neighbour is than the first with another answer, or than the last that is known."""
    nearest = question[0]
    rival = next((near for near in question if near.differs(nearest)), question[-1])
    return nearest.similarity - rival.similarity


def upper_bound(events: int, trials: int, *, delta: float) -> float:
    """The Clopper-Pearson upper bound of a rate, one-sided at level 1 - `delta`; 1 where nothing was tried."""
    return rate_bounds(events, trials, error=delta)[1] if trials else 1.0


def hits_needed(rate: float, *, most_false: float, delta: float) -> int | None:
    """The fewest hits whose bound gets to `most_false` if so large a share of them is false; None if no number does."""
    if rate >= most_false:
        return None

    def enough(false_hits: int) -> int | None:
        """Hits whose bound holds with so many false ones."""
        return _first(lambda hits: hits > false_hits and upper_bound(false_hits, hits, delta=delta) <= most_false)

    # Each false hit more takes some hits more, but ever fewer for one.
    false_hits = _first(lambda count: (hits := enough(count)) is None or rate * hits <= count)
    return None if false_hits is None else enough(false_hits)


def questions_needed(chosen: HitCounts, held_out: HitCounts, *, most_false: float, delta: float) -> int | None:
    """Questions for both halves if hits and false hits stay as frequent as in the two; None if no number would do."""
    hits, questions = chosen.hits + held_out.hits, chosen.questions + held_out.questions
    if not hits:
        return None
    wanted = hits_needed((chosen.false_hits + held_out.false_hits) / hits, most_false=most_false, delta=delta)
    # More than there are: these did not do.
    return None if wanted is None else max(questions + 1, math.ceil(2 * wanted * questions / hits))


def _first(holds: Callable[[int], bool]) -> int | None:
    """The least number from 0 on for which it holds, as it does for all that follow; None beyond `MOST_RECORDS`."""
    last, number = -1, 0
    while not holds(number):
        last, number = number, max(1, 2 * number)
        if number > MOST_RECORDS:
            return None
    while number - last > 1:
        middle = (number + last) // 2
        last, number = (last, middle) if holds(middle) else (middle, number)
    return number


def _in_order(bounds: Mapping[ThresholdRule, HitCounts], *, most_false: float) -> list[ThresholdRule]:
    """Rules of one family: the one with the most to spare first, then ever more lenient ones that hold on this half.

    A family goes by the threshold alone or by the margin; it is the one in which a rule that holds has the most hits.
    Where none holds, the most promising one may still do so on the half that decides.
    """
    holding = {rule: counts for rule, counts in bounds.items() if counts.most_false <= most_false}
    if not holding:
        return [_most_promising(bounds)]
    by_margin = max(holding, key=lambda rule: holding[rule].hits).margin > 0
    family = sorted((rule for rule in holding if (rule.margin > 0) == by_margin), reverse=True)
    safest = min(family, key=lambda rule: (holding[rule].most_false, rule))
    return family[family.index(safest) :]


def _most_promising(bounds: Mapping[ThresholdRule, HitCounts]) -> ThresholdRule:
    return min(bounds, key=lambda rule: (bounds[rule].most_false, rule))


def _rules(questions: Sequence[CachedQuestion]) -> list[ThresholdRule]:
    """Rules by the threshold alone, and rules by the margin above a floor."""
    known = [question for question in questions if question]
    similarities = sorted((question[0].similarity for question in known), reverse=True)
    thresholds = _spread(similarities) or [1.0]
    floor = _spread(similarities[: max(1, round(len(known) * (1 - CACHE_FLOOR_SHARE)))]) or [1.0]
    margins = _spread(sorted((lead(question) for question in known), reverse=True))
    return [
        *(ThresholdRule(0.0, threshold) for threshold in thresholds),
        *(ThresholdRule(margin, floor[0]) for margin in margins),
    ]


def _spread(ranked: Sequence[float]) -> list[float]:
    """Values above 0 at evenly spread ranks, the last among them, ascending, with `DIGITS` digits so that they can be typed."""
    step, scale = max(1, len(ranked) // CANDIDATES), 10**DIGITS
    values = [*ranked[step - 1 :: step], *ranked[-1:]]
    return sorted({floored for value in values if (floored := math.floor(value * scale) / scale) > 0})
