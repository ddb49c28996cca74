"""The threshold of the semantic cache: exact bounds, chosen on one half and proved on the other, and never luckier than said."""

from __future__ import annotations

import random

import numpy as np
import pytest
from scipy.stats import beta, binomtest

from assay.tuning.cache.threshold import (
    CachedQuestion,
    HitCounts,
    Neighbor,
    ThresholdChoice,
    ThresholdRule,
    choose_threshold,
    counts_at,
    hits_needed,
    lead,
    questions_needed,
    upper_bound,
)

MOST_FALSE, DELTA = 0.3, 0.2
"""Of the simulation: large, so that a few hundred questions decide."""
TRIALS = 150


def near(similarity: float, *, same: bool = True, answer: str | None = None) -> Neighbor:
    return Neighbor(similarity, same, answer)


def clear(count: int, *, false_below: float, seed: int = 1) -> list[CachedQuestion]:
    """Questions with a lone neighbor that is the right one exactly from a similarity on."""
    draw = random.Random(seed)
    similarities = [draw.uniform(0.5, 1.0) for _ in range(count)]
    return [(near(similarity, same=similarity >= false_below),) for similarity in similarities]


def choose(questions: list[CachedQuestion], *, seed: int = 1, **wanted: float) -> ThresholdChoice:
    return choose_threshold(questions, rng=random.Random(seed), **wanted)


@pytest.mark.parametrize(("events", "trials"), [(0, 1), (0, 299), (1, 473), (3, 10), (10, 10), (47, 5000)])
@pytest.mark.parametrize("delta", [0.01, 0.05, 0.5])
def test_the_bound_is_clopper_and_pearsons(events: int, trials: int, delta: float) -> None:
    found = upper_bound(events, trials, delta=delta)
    exact = 1.0 if events == trials else float(beta.ppf(1 - delta, events + 1, trials - events))
    assert found == pytest.approx(exact, abs=1e-12)
    interval = binomtest(events, trials).proportion_ci(1 - 2 * delta, method="exact") if delta < 0.5 else None
    assert interval is None or found == pytest.approx(interval.high, abs=1e-9)


def test_nothing_tried_has_a_bound_of_one() -> None:
    assert upper_bound(0, 0, delta=0.05) == 1.0


@pytest.mark.parametrize("rate", [0.0, 0.001, 0.002, 0.004, 0.005, 0.0071])
def test_hits_needed_are_the_fewest_that_get_the_bound_down(rate: float) -> None:
    def is_enough(hits: int) -> bool:
        return float(beta.ppf(0.95, np.ceil(rate * hits) + 1, hits - np.ceil(rate * hits))) <= 0.01

    fewest = next(hits for hits in range(2, 10_000) if is_enough(hits))
    assert hits_needed(rate, most_false=0.01, delta=0.05) == fewest


def test_299_hits_without_a_false_one_are_what_one_in_a_hundred_takes() -> None:
    assert hits_needed(0.0, most_false=0.01, delta=0.05) == 299  # 0.99 ** 299 < 0.05 < 0.99 ** 298


@pytest.mark.parametrize("rate", [0.01, 0.02, 1.0])
def test_no_number_of_hits_is_enough_where_too_many_are_false(rate: float) -> None:
    assert hits_needed(rate, most_false=0.01, delta=0.05) is None


def test_questions_needed_are_twice_the_hits_needed_at_the_hit_rate_seen() -> None:
    half = HitCounts(questions=100, hits=50, false_hits=0, most_false=0.06)
    assert questions_needed(half, half, most_false=0.01, delta=0.05) == 2 * 299 * 2
    none = HitCounts(questions=100, hits=0, false_hits=0, most_false=1.0)
    assert questions_needed(none, none, most_false=0.01, delta=0.05) is None


def test_a_lead_is_over_the_nearest_with_another_answer() -> None:
    question = (near(0.9, answer="a"), near(0.8, answer="a"), near(0.5, same=False, answer="b"))
    assert lead(question) == pytest.approx(0.4)


def test_a_lead_without_a_rival_is_over_the_last_that_is_known() -> None:
    assert lead((near(0.9, answer="a"), near(0.7, answer="a"))) == pytest.approx(0.2)
    assert lead((near(0.9),)) == 0.0


def test_where_answers_are_not_named_right_and_wrong_are_told_apart_only() -> None:
    assert lead((near(0.9, same=False), near(0.8, same=False), near(0.6, same=True))) == pytest.approx(0.3)


def test_a_rule_counts_hits_and_those_whose_nearest_is_wrong() -> None:
    questions: list[CachedQuestion] = [
        (near(0.95), near(0.2, same=False)),
        (near(0.92, same=False), near(0.91)),
        (near(0.85), near(0.1, same=False)),
        (),
    ]
    counts = counts_at(questions, ThresholdRule(0.0, 0.9))
    assert (counts.questions, counts.hits, counts.false_hits, counts.hit_rate) == (4, 2, 1, 0.5)
    assert counts.precision == 0.5
    strict = counts_at(questions, ThresholdRule(0.5, 0.9))
    assert (strict.hits, strict.false_hits) == (1, 0)


def test_a_clear_border_is_found_and_held_out_questions_prove_it() -> None:
    choice = choose(clear(4000, false_below=0.8), seed=3)
    assert choice.status == "ok" and choice.rule is not None
    assert 0.78 <= choice.rule.threshold <= 0.9
    held = choice.held_out
    assert held.most_false <= 0.01
    assert held.most_false == pytest.approx(float(beta.ppf(0.95, held.false_hits + 1, held.hits - held.false_hits)))


def test_the_halves_are_disjoint_and_all_there_is() -> None:
    choice = choose(clear(1001, false_below=0.5), most_false=0.05)
    assert (choice.chosen.questions, choice.held_out.questions) == (500, 501)


def test_the_same_questions_and_seed_give_the_same_choice() -> None:
    questions = clear(800, false_below=0.7)
    assert choose(questions, most_false=0.05) == choose(questions, most_false=0.05)


def test_a_rule_that_just_fails_on_the_first_half_may_prove_itself_on_the_one_held_out() -> None:
    wrong_at = [False] * 700
    wrong_at[0] = True  # one false hit in 350 is too much for 1%, none is not
    for seed in range(20):
        choice = choose([(near(0.9, same=not wrong),) for wrong in wrong_at], seed=seed)
        assert (choice.rule is not None) == (choice.held_out.false_hits == 0)
        assert choice.held_out.false_hits + choice.chosen.false_hits == 1


def test_too_few_questions_are_said_to_be_too_few_with_the_number_that_would_do() -> None:
    choice = choose(clear(100, false_below=0.5))
    assert (choice.status, choice.rule) == ("too_few", None)
    assert choice.questions_needed is not None
    more = choose(clear(choice.questions_needed + 50, false_below=0.5, seed=9))
    assert more.status == "ok"


def test_labels_that_have_nothing_to_do_with_similarity_qualify_no_rule() -> None:
    draw = random.Random(5)
    questions: list[CachedQuestion] = [(near(draw.uniform(0.5, 1), same=draw.random() < 0.5),) for _ in range(1500)]
    choice = choose(questions)
    assert choice.rule is None
    assert choice.held_out.most_false > 0.01


def test_questions_that_are_all_answered_wrongly_can_never_qualify() -> None:
    choice = choose([(near(0.9, same=False),)] * 500)
    assert (choice.status, choice.rule, choice.questions_needed) == ("too_many_false", None, None)


def test_questions_without_a_neighbor_are_never_answered() -> None:
    choice = choose([(), ()] * 50)
    assert (choice.rule, choice.held_out.hits, choice.status) == (None, 0, "too_many_false")


@pytest.mark.parametrize("questions", [[], [(near(0.9),)], [(near(float("nan")),), (near(0.9),)]])
def test_too_little_or_no_number_is_refused(questions: list[CachedQuestion]) -> None:
    with pytest.raises(ValueError, match="expected at least two questions and no NaN similarity"):
        choose(questions)


def test_a_rule_by_the_margin_is_taken_where_similarity_alone_does_not_tell() -> None:
    draw = random.Random(11)
    questions: list[CachedQuestion] = []
    for _ in range(3000):
        top, ahead = draw.uniform(0.7, 1.0), draw.uniform(0.0, 0.3)
        same = ahead > 0.1
        questions.append((near(top, same=same, answer="a"), near(top - ahead, same=not same, answer="b")))
    choice = choose(questions)
    assert choice.rule is not None and choice.rule.margin >= 0.099
    assert choice.held_out.hit_rate > 0.5


class World:
    """Questions whose chance of a false hit is known, so that the true rate of any rule is, too."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)

    def draw(self, count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Similarity, lead, and chance to be wrong of each question."""
        similarity, ahead = self.rng.uniform(0.2, 1.0, count), self.rng.uniform(0.0, 0.2, count)
        return similarity, ahead, np.clip(1.05 - similarity - ahead, 0, 1)

    def questions(self, count: int) -> list[CachedQuestion]:
        wrong = self.rng.uniform(size=count)
        return [
            (near(top, same=draw >= chance, answer="a"), near(top - ahead, same=False, answer="b"))
            for (top, ahead, chance), draw in zip(np.column_stack(self.draw(count)).tolist(), wrong, strict=True)
        ]

    def true_rate(self, rule: ThresholdRule) -> float:
        """The false-hit rate of the rule over all questions of this world."""
        similarity, ahead, chance = self.draw(100_000)
        return float(chance[(similarity >= rule.threshold) & (ahead >= rule.margin)].mean())


def test_the_false_hit_rate_is_above_the_stated_one_no_more_often_than_stated() -> None:
    world = World(seed=17)
    rules = [choose(world.questions(120), seed=n, most_false=MOST_FALSE, delta=DELTA).rule for n in range(TRIALS)]
    chosen = [rule for rule in rules if rule is not None]
    broken = sum(world.true_rate(rule) > MOST_FALSE for rule in chosen)
    assert len(chosen) > TRIALS / 2  # it does choose, so that the bound is worth something
    assert broken / TRIALS <= DELTA + 3 * (DELTA * (1 - DELTA) / TRIALS) ** 0.5


def test_the_simulation_would_show_a_choice_that_is_not_proved_on_questions_held_out() -> None:
    world, broken = World(seed=19), 0
    for _ in range(40):
        questions = world.questions(160)
        fits = [
            ThresholdRule(0.0, step / 100)
            for step in range(20, 100)
            if (counts := counts_at(questions, ThresholdRule(0.0, step / 100))).hits
            and (counts.precision or 0) >= 1 - MOST_FALSE
        ]
        broken += world.true_rate(min(fits)) > MOST_FALSE
    assert broken / 40 > DELTA + 3 * (DELTA * (1 - DELTA) / 40) ** 0.5
