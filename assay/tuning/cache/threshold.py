"""Chooses the threshold of the semantic cache from questions with labeled neighbors.

A rule requires a minimum similarity of the nearest neighbor, and optionally a margin over the nearest neighbor with a
different answer; if it is not met, the model is called. A hit is false if the cached answer is wrong for the question.

The questions are split into two halves. The first half selects and orders promising rules; on the held-out half they
are tested in that order until one fails (fixed-sequence testing, so that each test has the full level: Angelopoulos et
al., "Learn then Test", 2021). A rule passes if the exact one-sided upper bound (Clopper and Pearson, Biometrika 1934) of
its false-hit rate is at most `most_false`.
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
class Neighbor:
    """A cached question: its cosine similarity to the new question, and whether its answer is correct for that one too.

    `answer` identifies the answer; None if only `same` is known.
    """

    similarity: float
    same: bool
    answer: str | None = None

    def differs(self, other: Neighbor) -> bool:
        """True if the two neighbors have different answers.

        If the answers are unknown, two wrong ones count as equal, so that a hit is counted as false instead of omitted.
        """
        if self.answer is None or other.answer is None:
            return self.same != other.same
        return self.answer != other.answer


CachedQuestion = tuple[Neighbor, ...]
"""The neighbors of a new question, nearest first."""


@dataclass(frozen=True, slots=True, order=True)
class ThresholdRule:
    """A hit requires a similarity of at least `threshold`, which exceeds that of the next answer by at least `margin`.

    The next answer is that of the nearest neighbor with a different answer.
    """

    margin: float
    threshold: float

    def hits(self, question: CachedQuestion) -> bool:
        """True if the question is a cache hit."""
        return bool(question) and question[0].similarity >= self.threshold and lead(question) >= self.margin


@dataclass(frozen=True, slots=True, kw_only=True)
class HitCounts:
    """Counts of one rule on one half: questions, hits, and hits with a wrong answer.

    `most_false` is the upper bound of the false-hit rate at the level of the test; 1 without hits.
    """

    questions: int
    hits: int
    false_hits: int
    most_false: float

    @property
    def hit_rate(self) -> float:
        """Share of questions that hit the cache."""
        return self.hits / self.questions if self.questions else 0.0

    @property
    def precision(self) -> float | None:
        """Share of hits with a correct answer; None without hits."""
        return 1 - self.false_hits / self.hits if self.hits else None


class ThresholdStatus(StrEnum):
    """Whether a rule qualifies.

    `too_few`: a rule may qualify with more questions. `too_many_false`: no rule would, however large the number.
    """

    OK = "ok"
    TOO_FEW = "too_few"
    TOO_MANY_FALSE = "too_many_false"


EXIT_CODES = {ThresholdStatus.OK: 0, ThresholdStatus.TOO_MANY_FALSE: 1, ThresholdStatus.TOO_FEW: 2}


@dataclass(frozen=True, slots=True, kw_only=True)
class ThresholdChoice:
    """The most lenient rule that qualifies on the held-out half, or the reason why none does.

    `rule` is None if no rule qualifies. `looked_at` is `rule` or, without one, the most promising rule; `chosen` and
    `held_out` are its counts on the two halves. `questions_needed` is the total number of questions that would be enough
    at the observed rates, set if there are too few.
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
    """Returns the choice; with probability 1 - `delta`, the false-hit rate of its rule is at most `most_false`.

    This holds for new questions from the same distribution, and for a cache filled in the same way.

    Raises:
        ValueError: there are fewer than two questions, or a similarity is not a number.
    """
    if len(questions) < 2 or any(math.isnan(near.similarity) for question in questions for near in question):
        raise ValueError(f"expected at least two questions and no NaN similarity; found {len(questions)} question(s)")
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
    """Returns the counts of the rule on the questions."""
    hits = [question for question in questions if rule.hits(question)]
    false_hits = sum(not question[0].same for question in hits)
    return HitCounts(
        questions=len(questions),
        hits=len(hits),
        false_hits=false_hits,
        most_false=upper_bound(false_hits, len(hits), delta=delta),
    )


def lead(question: CachedQuestion) -> float:
    """Returns the similarity of the nearest neighbor minus that of the nearest neighbor with a different answer.

    If all neighbors have the same answer, the similarity of the last one is subtracted.
    """
    nearest = question[0]
    rival = next((near for near in question if near.differs(nearest)), question[-1])
    return nearest.similarity - rival.similarity


def upper_bound(events: int, trials: int, *, delta: float) -> float:
    """Returns the one-sided Clopper-Pearson upper bound of a rate at level 1 - `delta`; 1 without trials."""
    return rate_bounds(events, trials, error=delta)[1] if trials else 1.0


def hits_needed(rate: float, *, most_false: float, delta: float) -> int | None:
    """Returns how many hits it takes for the bound to be at most `most_false` at this false-hit rate; None if none do."""
    if rate >= most_false:
        return None

    def enough(false_hits: int) -> int | None:
        """Returns the minimum number of hits whose bound qualifies with `false_hits` false ones."""
        return _first(lambda hits: hits > false_hits and upper_bound(false_hits, hits, delta=delta) <= most_false)

    # Each additional false hit requires additional hits, but fewer than the previous false hit.
    false_hits = _first(lambda count: (hits := enough(count)) is None or rate * hits <= count)
    return None if false_hits is None else enough(false_hits)


def questions_needed(chosen: HitCounts, held_out: HitCounts, *, most_false: float, delta: float) -> int | None:
    """Returns the total number of questions needed at the observed rates; None if no number would be enough."""
    hits, questions = chosen.hits + held_out.hits, chosen.questions + held_out.questions
    if not hits:
        return None
    wanted = hits_needed((chosen.false_hits + held_out.false_hits) / hits, most_false=most_false, delta=delta)
    # At least one more than the present number, which was not enough.
    return None if wanted is None else max(questions + 1, math.ceil(2 * wanted * questions / hits))


def _first(holds: Callable[[int], bool]) -> int | None:
    """Returns the smallest integer >= 0 that meets the monotone condition; None if it exceeds `MOST_RECORDS`."""
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
    """Returns the rules to test on the held-out half, in test order: the safest first, then more lenient ones.

    They vary either the threshold or the margin, depending on which qualifying rule has the most hits. If no rule
    qualifies on the first half, only the most promising one is returned.
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
    """Returns candidate rules: some vary the threshold, others vary the margin at a fixed minimum similarity."""
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
    """Returns positive values at evenly spaced ranks, including the last, rounded down to `DIGITS` digits, ascending."""
    step, scale = max(1, len(ranked) // CANDIDATES), 10**DIGITS
    values = [*ranked[step - 1 :: step], *ranked[-1:]]
    return sorted({floored for value in values if (floored := math.floor(value * scale) / scale) > 0})
