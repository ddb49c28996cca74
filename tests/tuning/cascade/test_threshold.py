"""A fitted cascade keeps its word: in closed form, in simulation, and on four real models' answers."""

from __future__ import annotations

import math
from random import Random

import pytest
from scipy.stats import binom

from assay.tuning.cascade.threshold import (
    ESCALATE_ALL,
    GRID,
    KEEP_ALL,
    NEVER_KEPT,
    CascadeCounts,
    CascadeOutcomes,
    Goal,
    RoutePair,
    fit,
    halves,
    p_value,
    verdict,
)
from tests.benchmarks.cascade import PRODUCTS, misses, outcomes, products

needs_products = pytest.mark.skipif(
    not PRODUCTS.is_file(), reason="the public data sets are not beside the checkout (../shared/data)"
)


def pair(number: int, confidence: float, cheap: bool, better: bool) -> RoutePair:
    return RoutePair(record_id=str(number), confidence=confidence, cheap_correct=cheap, better_correct=better)


def steep(n: int, chance: Random) -> list[RoutePair]:
    """Records whose cheap answers are right as often as they are sure, and better ones nine times in ten."""
    sure = [chance.random() for _ in range(n)]
    return [pair(number, one, chance.random() < one, chance.random() < 0.9) for number, one in enumerate(sure)]


def steep_quality(threshold: float) -> float:
    """The true quality of a cascade over `steep`: the mean of c above the threshold, 0.9 below."""
    least = min(max(threshold, 0.0), 1.0)
    return (1 - least**2) / 2 + 0.9 * least


def counts(n: int, *, correct: int = 0, gains: int = 0, losses: int = 0) -> CascadeCounts:
    return CascadeCounts(threshold=0.5, n=n, kept=n, correct=correct, better_correct=0, gains=gains, losses=losses)


def test_the_thresholds_run_from_escalating_all_to_keeping_all() -> None:
    assert (GRID[0], GRID[-1]) == (ESCALATE_ALL, KEEP_ALL)
    assert list(GRID) == sorted(set(GRID), reverse=True)
    assert all(0 < threshold < 1 for threshold in GRID[1:-1])


def test_a_cheap_answer_is_kept_where_its_confidence_is_not_below_the_threshold() -> None:
    found = CascadeOutcomes([
        pair(1, 0.9, True, False), pair(2, 0.5, False, True), pair(3, 0.4, True, True), pair(4, NEVER_KEPT, True, False),
    ]).at(0.5)  # fmt: skip

    assert (found.kept, found.escalated, found.gains, found.losses, found.correct) == (2, 2, 1, 1, 2)


def test_an_answer_that_is_never_kept_escalates_even_where_all_are_kept() -> None:
    assert CascadeOutcomes([pair(1, NEVER_KEPT, True, False), pair(2, 0.0, True, False)]).at(KEEP_ALL).kept == 1


def test_the_p_value_of_a_quality_is_that_of_the_binomial_test() -> None:
    assert p_value(counts(200, correct=188), Goal(quality=0.9)) == pytest.approx(binom.sf(187, 200, 0.9))


def test_halves_do_not_depend_on_the_order_of_the_records() -> None:
    pairs = [pair(number, 0.5, True, True) for number in range(101)]
    first, second = halves(pairs, seed=3)

    assert (len(first), len(second)) == (51, 50)
    assert halves(pairs[::-1], seed=3) == (first, second)
    assert halves(pairs, seed=4)[0] != first


def test_the_fitted_threshold_comes_near_the_lowest_that_reaches_the_goal() -> None:
    lowest = 0.9 - 0.05**0.5  # where the true quality of the cascade is 0.88

    fitted = fit(steep(20_000, Random(1)), Goal(quality=0.88))

    assert fitted.chosen is not None and fitted.held_out is not None
    assert lowest <= fitted.chosen.threshold < lowest + 0.06
    assert (fitted.held_out.n, fitted.verdict) == (10_000, "confirmed")


SIMULATED = 300
GOALS = (Goal(quality=0.88, error=0.1), Goal(within=0.02, error=0.1))


def least(goal: Goal) -> float:
    """The true quality that a threshold over `steep` must have."""
    return goal.quality if goal.quality is not None else 0.9 - (goal.within or 0.0)


@pytest.mark.parametrize("goal", GOALS)
def test_the_goal_is_missed_no_more_often_than_stated(goal: Goal) -> None:
    chance, missed, found = Random(7), 0, 0
    for _ in range(SIMULATED):
        chosen = fit(steep(400, chance), goal).chosen
        found += chosen is not None
        missed += chosen is not None and steep_quality(chosen.threshold) < least(goal)

    assert missed <= binom.ppf(0.999, SIMULATED, goal.error)
    assert found > SIMULATED / 10


def test_at_its_worst_the_error_is_used_up_and_not_passed() -> None:
    chance, missed = Random(13), 0
    for _ in range(SIMULATED):
        right = [chance.random() < 0.9 for _ in range(600)]  # every threshold has the quality that only just misses
        missed += fit([pair(n, 0.5, one, one) for n, one in enumerate(right)], Goal(quality=0.9, error=0.1)).chosen is not None  # fmt: skip

    assert binom.ppf(0.001, SIMULATED, 0.05) <= missed <= binom.ppf(0.999, SIMULATED, 0.1)


@pytest.mark.parametrize("goal", GOALS)
def test_the_simulation_sees_through_a_threshold_that_only_looks_good(goal: Goal) -> None:
    chance, missed = Random(7), 0
    for _ in range(SIMULATED):
        seen = CascadeOutcomes(halves(steep(400, chance), seed=0)[0])
        bar = goal.quality if goal.quality is not None else seen.at(ESCALATE_ALL).reached[0] - (goal.within or 0.0)
        best = min(threshold for threshold in GRID if seen.at(threshold).reached[0] >= bar or threshold == ESCALATE_ALL)
        missed += steep_quality(best) < least(goal)

    assert missed > binom.ppf(0.999, SIMULATED, goal.error)


def test_a_confidence_that_says_nothing_and_a_worse_model_save_nothing() -> None:
    chance = Random(5)
    pairs = [pair(n, chance.random(), chance.random() < 0.5, chance.random() < 0.95) for n in range(2000)]

    fitted = fit(pairs, Goal(within=0.01))

    assert fitted.stopped_at is not None
    assert fitted.chosen is None or fitted.chosen.escalated > 0.9 * fitted.chosen.n


def test_equal_models_keep_every_answer() -> None:
    pairs = [pair(number, 0.5, number % 4 != 0, number % 4 != 0) for number in range(2000)]

    fitted = fit(pairs, Goal(within=0.01))

    assert fitted.chosen is not None and fitted.stopped_at is None
    assert (fitted.chosen.threshold, fitted.verdict, fitted.more_labels) == (KEEP_ALL, "confirmed", None)


def test_without_any_confidence_nothing_can_be_kept() -> None:
    fitted = fit([pair(number, NEVER_KEPT, True, True) for number in range(2000)], Goal(within=0.01))

    assert (fitted.chosen, fitted.held_out, fitted.verdict) == (None, None, None)
    assert "no prediction of the cheap route has a usable confidence" in (fitted.reason or "")


def test_a_goal_above_the_better_route_says_so_and_that_labels_do_not_help() -> None:
    pairs = [pair(number, 0.5, False, number % 10 != 0) for number in range(1000)]

    fitted = fit(pairs, Goal(quality=0.95))

    assert fitted.chosen is None and fitted.more_labels is None
    assert "the better route alone has a quality of 0.9" in (fitted.reason or "")


def test_too_few_records_say_how_many_more_are_needed() -> None:
    pairs = [pair(number, 0.5, True, number % 10 != 0) for number in range(60)]

    fitted = fit(pairs, Goal(quality=0.85))

    assert fitted.chosen is None
    assert fitted.more_labels is not None and 300 < fitted.more_labels < 1500


def test_as_many_labels_as_it_asks_for_show_the_goal_about_four_times_in_five() -> None:
    chance, draws = Random(11), 60
    asked = fit(half_and_half(60, chance), Goal(quality=0.85)).more_labels
    assert asked is not None

    shown = sum(fit(half_and_half(60 + asked, chance), Goal(quality=0.85)).chosen is not None for _ in range(draws))

    assert binom.ppf(0.001, draws, 0.6) <= shown


def half_and_half(n: int, chance: Random) -> list[RoutePair]:
    """The better route right nine times in ten, and the cheap one whenever it is sure, which it is half of the time."""
    exact = [place % 10 != 0 for place in range(n)] if n == 60 else [chance.random() < 0.9 for _ in range(n)]
    return [pair(place, 0.9999999 if place % 2 else 0.0, place % 2 == 1 or right, right) for place, right in enumerate(exact)]  # fmt: skip


@pytest.mark.parametrize(
    ("seen", "goal", "expected"),
    [
        (counts(1000, correct=950), Goal(quality=0.9), "confirmed"),
        (counts(1000, correct=905), Goal(quality=0.9), "inconclusive"),
        (counts(1000, correct=850), Goal(quality=0.9), "refuted"),
        (counts(1000, gains=20, losses=20), Goal(within=0.05), "confirmed"),
        (counts(100, gains=2, losses=4), Goal(within=0.02), "inconclusive"),
        (counts(1000, gains=20, losses=90), Goal(within=0.02), "refuted"),
    ],
)
def test_fresh_records_confirm_refute_or_leave_it_open(seen: CascadeCounts, goal: Goal, expected: str) -> None:
    assert verdict(seen, goal) == expected


@pytest.mark.parametrize("stated", [{}, {"quality": 0.9, "within": 0.1}, {"quality": 1.0}, {"within": -0.1}, {"within": 0.1, "error": 0.5}])  # fmt: skip
def test_a_goal_that_makes_no_sense_is_refused(stated: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="exactly one of quality and within"):
        Goal(**stated)


def test_one_record_cannot_be_split() -> None:
    with pytest.raises(ValueError, match="at least 2"):
        fit([pair(1, 0.5, True, True)], Goal(within=0.01))


@needs_products
@pytest.mark.parametrize(("cheap", "better"), [("gpt_4o_mini", "gpt_4o"), ("claude_3.5_haiku", "gpt_4o")])
def test_on_real_answers_the_cascade_reaches_the_best_model_at_a_lower_price(cheap: str, better: str) -> None:
    found = list(outcomes(products(), cheap=cheap, better=better, goal=Goal(within=0.02), splits=25))

    assert all(one.fit.chosen is not None for one in found)
    assert sum(one.fit.verdict == "refuted" for one in found) <= binom.ppf(0.999, 25, 0.05)
    assert math.fsum(one.difference for one in found) / 25 > -0.02
    assert min(one.saved for one in found) > 0.05


@needs_products
def test_on_real_answers_the_goal_is_missed_no_more_often_than_stated() -> None:
    missed = list(misses(products(), cheap="gpt_4o_mini", better="gpt_4o", goal=Goal(within=0.01, error=0.1), draws=40))

    assert sum(missed) <= binom.ppf(0.999, 40, 0.1)
