"""Rules on means and on classes: their evidence by independent formulas, and an evaluation from task.yml to landing."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from datetime import date
from itertools import product
from typing import Any

import numpy as np
import pytest
from scipy import stats

from assay.evaluation.comparisons import compared_means, regression_margins
from assay.evaluation.evidence import GateInputs, RuleEvidence, evidence_for
from assay.evaluation.outcomes import Outcomes, PredictionOutcome
from assay.evaluation.verdict import decide
from assay.records.keys import ClusterKey
from assay.records.statuses import RuleState
from assay.report.scorecard import ReportedRun, read_scorecard
from assay.scoring.classes.fields import ClassPair
from assay.statistics.measured import Status
from assay.statistics.numeric.means import ScoreScale
from assay.tasks.gate_rule import gate_rules
from assay.tasks.gate_spec import GateSpec
from tests.evaluation.scenario import RIGHT, WRONG, cases, evaluated, evaluated_task
from tests.fakes.model_endpoint import Asked, ModelEndpoint, Reaction
from tests.runs.bench import Bench

WORDS = "words"
LEVELS = ScoreScale(lowest=1, highest=5)


def outcome(number: int, **fields: Any) -> PredictionOutcome:
    given = {"record": ("default", f"r{number:03}"), "epoch": 0, "status": "ok", "population": "golden:gate"}
    return PredictionOutcome(**{**given, **fields})


def measured(values: list[float | None]) -> Outcomes:
    return Outcomes.of(outcome(number, values={WORDS: value}) for number, value in enumerate(values))


def decided(
    rules: list[dict[str, Any]], candidate: Outcomes, champion: Outcomes | None = None, **inputs: Any
) -> tuple[list[RuleState], list[RuleEvidence]]:
    gate = GateSpec.model_validate({"rules": [{"name": f"r{i}", **rule} for i, rule in enumerate(rules)]})
    found = gate_rules(gate, None)
    scales = inputs.get("scales", {WORDS: None})
    compared = (
        tuple(compared_means(candidate, champion, scales=scales, margins=regression_margins(gate), seed=1))
        if champion
        else ()
    )
    known = {name: scale for name, scale in scales.items() if scale is not None}
    evidence = evidence_for(
        found,
        GateInputs(
            candidate=candidate,
            evaluation_id="e",
            champion=champion,
            compared=compared,
            scorers=frozenset({WORDS, "label_right"}),
            scales=known,
        ),
    )
    outcomes = decide(found, evidence, today=date(2026, 1, 1), champion=champion is not None).outcomes
    return [one.state for one in outcomes], list(evidence.values())


MEAN_AT_MOST = {"type": "mean", "metric": WORDS, "at_most": 30}
MEAN_AT_LEAST = {"type": "mean", "metric": WORDS, "at_least": 30}
LONGER = {"type": "no_regression", "metric": WORDS, "margin": 5, "higher_is_better": False}
SHORTER = {"type": "no_regression", "metric": WORDS, "margin": 5, "higher_is_better": True}


def test_a_mean_is_decided_on_its_side_of_the_limit() -> None:
    values = np.random.default_rng(1).normal(20, 5, 100).tolist()

    states, (at_most, at_least) = decided([MEAN_AT_MOST, MEAN_AT_LEAST], measured(values))

    assert states == [RuleState.PASS, RuleState.FAIL]
    assert at_most.value == at_least.value == pytest.approx(np.mean(values))
    reach = stats.t.ppf(0.975, 99) * stats.sem(values)
    assert at_most.upper == pytest.approx(np.mean(values) + reach, rel=0.01)
    assert at_most.measured is not None and at_most.measured.n == 100


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ([20.0, 21.0] * 20, "40 records: a rule on a mean needs at least 50"),
        ([20.0] * 100, "all amounts are the same: no interval"),
        ([20.0, 21.0] * 50 + [None], "1 of 101 unscored"),
    ],
)
def test_a_mean_without_sound_bounds_is_inconclusive(values: list[float | None], reason: str) -> None:
    states, (found,) = decided([MEAN_AT_MOST], measured(values))

    assert states == [RuleState.INCONCLUSIVE] and reason in str(found.reason)


def test_a_rule_on_a_rate_says_that_the_scorer_measures() -> None:
    rules = [
        {"type": "lower_bound", "metric": WORDS, "at_least": 0.5},
        {"type": "no_regression", "metric": WORDS, "margin": 0.5},
    ]

    states, found = decided(rules, measured([1.0, 2.0] * 30), measured([1.0, 2.0] * 30))

    assert states == [RuleState.INCONCLUSIVE] * 2
    assert all("gives a number without pass or fail" in str(one.reason) for one in found)


def test_a_difference_of_means_is_that_of_the_paired_records_and_has_a_direction() -> None:
    random = np.random.default_rng(5)
    champion = random.normal(100, 30, 120)
    candidate = champion + random.normal(20, 4, 120)

    states, (longer, shorter) = decided([LONGER, SHORTER], measured(candidate.tolist()), measured(champion.tolist()))

    difference = candidate - champion
    assert states == [RuleState.FAIL, RuleState.PASS]
    assert (longer.value, shorter.value) == pytest.approx((-difference.mean(), difference.mean()))
    reach = stats.t.ppf(0.975, 119) * stats.sem(difference)
    assert (shorter.lower, shorter.upper) == pytest.approx(
        (difference.mean() - reach, difference.mean() + reach), rel=0.01
    )
    assert (longer.lower, longer.upper) == (-shorter.upper, -shorter.lower)


def test_equal_differences_are_no_evidence_of_precision() -> None:
    values = [float(i) for i in range(60)]

    _, (found,) = decided([SHORTER], measured([value + 1 for value in values]), measured(values))

    assert found.value == pytest.approx(1)
    assert (found.upper - 1, 1 - found.lower) == pytest.approx((stats.t.ppf(0.975, 59) / 62,) * 2)  # one record differs


def test_numbers_that_never_vary_or_are_unscored_decide_nothing() -> None:
    constant, _ = decided([SHORTER], measured([3.0] * 60), measured([3.0] * 60))
    unscored, (found,) = decided([SHORTER], measured([1.0, 2.0] * 40 + [None]), measured([1.0, 2.0] * 40 + [1.0]))

    assert constant == unscored == [RuleState.INCONCLUSIVE]
    assert "1 of 81 records unscored, without bounds: left out" in str(found.reason)


def test_a_comparison_without_a_value_has_its_reason_and_its_records() -> None:
    sides = [([3.0] * 60, [3.0] * 60), ([None] * 60, [3.0] * 60), ([4.0], [3.0])]

    found = [decided([SHORTER], measured(one), measured(other))[1][0] for one, other in sides]

    assert [(one.value, one.n, one.reason) for one in found] == [
        (None, 60, "all numbers of both variants are 3 in 60 records"),
        (None, 60, "no record has a number for both variants"),
        (None, 1, "one record has a number for both variants: a difference of means needs at least 2"),
    ]


def test_a_slice_with_one_record_or_one_cluster_does_not_end_the_evaluation() -> None:
    def side(scale: float) -> Outcomes:
        places = [("one",) if n == 0 else ("two", "together") if n < 3 else () for n in range(80)]
        clusters = [ClusterKey.of("default", "c" if 0 < n < 3 else None) for n in range(80)]
        fields = zip(places, clusters, strict=True)
        return Outcomes.of(
            outcome(n, values={WORDS: scale * n + n % 3}, slices=place, cluster=cluster)
            for n, (place, cluster) in enumerate(fields)
        )

    found = list(compared_means(side(2.0), side(1.0), scales={WORDS: None}, margins={}, seed=1))

    assert [one.slice for one in found] == ["overall"]


def test_a_loss_in_few_records_is_not_decided() -> None:
    champion = [float(i) for i in range(160)]
    candidate = [value - 100 if i == 0 else value for i, value in enumerate(champion)]

    states, (found,) = decided([SHORTER], measured(candidate), measured(champion))

    assert states == [RuleState.INCONCLUSIVE]
    assert found.reason == "1 of 160 records differ from the usual difference 0, fewer than 10"


def test_an_average_of_classes_names_the_predictions_without_an_expected_class() -> None:
    pairs = classified([("a", "a")] * 40 + [("b", "b")] * 30)
    unknown = Outcomes((*pairs.rows, *(outcome(n, passed={"label_right": None}) for n in range(900, 912))))

    _, (found,) = decided(
        [{"type": "lower_bound", "scorer": "label_right", "at_least": 0.5, "metric": "macro_f1"}], unknown
    )

    assert "12 of 82 predictions without an expected class: not counted, because an average" in str(found.reason)


def by_definition(metric: str, pairs: Sequence[tuple[str | None, str | None]]) -> float:
    """Precision, recall or F1 of class a: true positives over the answered, the expected, or the mean of both."""
    hits, answered, expected = pairs.count(("a", "a")), sum(g == "a" for _, g in pairs), sum(e == "a" for e, _ in pairs)
    return hits / {"precision": answered, "recall": expected, "f1": (answered + expected) / 2}[metric]


@pytest.mark.parametrize("metric", ["precision", "recall", "f1"])
def test_a_rule_on_a_class_counts_unknown_classes_as_wrong_and_its_bounds_as_any_class(metric: str) -> None:
    known: list[tuple[str | None, str | None]] = (
        [("a", "a")] * 20 + [("a", "b")] * 3 + [("b", "a")] * 2 + [("b", "b")] * 20
    )
    unknown: list[tuple[str | None, str | None]] = [(None, "a"), (None, "a"), (None, "b"), (None, None)]
    rows = classified([*known, *unknown])
    rule = {"type": "lower_bound", "scorer": "label_right", "label": "a", "at_least": 0.5, "metric": metric}

    _, (found,) = decided([rule], rows)

    completions = [
        by_definition(metric, [*known, *zip(truth, [one[1] for one in unknown], strict=True)])
        for truth in product("ab", repeat=4)
    ]
    assert found.measured is not None
    assert (found.value, found.measured.worst, found.measured.best) == pytest.approx(
        (min(completions), min(completions), max(completions))
    )
    assert found.lower < min(completions) and found.upper > max(completions)
    assert found.status is Status.UNSCORED and "4 of 49 predictions without an expected class" in str(found.reason)


def test_the_worst_case_of_recall_has_the_exact_bounds_of_its_rows() -> None:
    rule = {"type": "lower_bound", "scorer": "label_right", "label": "a", "at_least": 0.5, "metric": "recall"}

    _, (found,) = decided([rule], classified([("a", "a")] * 40 + [(None, "b")] * 10))

    assert (found.lower, found.upper) == pytest.approx((stats.beta.ppf(0.05, 40, 11), 1.0))


def test_levels_of_a_judge_have_the_bounds_of_rates_in_their_unit() -> None:
    better, worse = measured([5.0] * 90 + [None] * 2), measured([4.0] * 90 + [3.0] * 2)

    rules = [{"type": "mean", "metric": WORDS, "at_least": 4.5}, {**SHORTER, "margin": 0.5}]
    states, (mean, difference) = decided(rules, better, worse, scales={WORDS: LEVELS})

    assert states == [RuleState.PASS, RuleState.PASS]
    assert mean.value == pytest.approx((5 * 90 + 1 * 2) / 92)
    assert mean.upper == 5.0 and mean.status is Status.UNSCORED
    assert difference.value == pytest.approx((90 * 1 + 2 * (1 - 3)) / 92)


def classified(pairs: Sequence[tuple[str | None, str | None]]) -> Outcomes:
    return Outcomes.of(
        outcome(
            n,
            classes={"label_right": ClassPair(*pair)},
            passed={"label_right": None if pair[0] is None else pair[0] == pair[1]},
        )
        for n, pair in enumerate(pairs)
    )


def test_recall_of_a_class_has_the_exact_bounds_of_its_rows() -> None:
    pairs: list[tuple[str, str | None]] = [
        *[("a", "a")] * 45,
        *[("a", "b")] * 3,
        *[("a", None)] * 2,
        *[("b", "b")] * 40,
        *[("b", "a")] * 10,
    ]
    rule = {"type": "lower_bound", "scorer": "label_right", "label": "a", "at_least": 0.8}

    states, (recall, precision, f1) = decided(
        [{**rule, "metric": metric} for metric in ("recall", "precision", "f1")], classified(pairs)
    )

    assert (recall.value, recall.n, precision.value, precision.n) == (
        pytest.approx(45 / 50),
        50,
        pytest.approx(45 / 55),
        55,
    )
    assert recall.lower == pytest.approx(stats.beta.ppf(0.05, 45, 6))
    assert precision.upper == pytest.approx(stats.beta.ppf(0.95, 46, 10))
    assert f1.value == pytest.approx(90 / 105) and f1.lower < f1.value < f1.upper
    assert states == [RuleState.PASS, RuleState.INCONCLUSIVE, RuleState.INCONCLUSIVE]


def test_a_class_without_a_row_or_a_check_without_classes_is_inconclusive() -> None:
    rule = {"type": "lower_bound", "scorer": "label_right", "at_least": 0.8}
    rules = [{**rule, "metric": "recall", "label": "c"}, {**rule, "metric": "macro_f1"}]

    some, (absent, _) = decided(rules, classified([("a", "a"), ("b", "b")] * 30))
    none, (missing, _) = decided(rules, measured([1.0]))

    assert some == [RuleState.INCONCLUSIVE, RuleState.PASS] and absent.reason == "no row of this class"
    assert none == [RuleState.INCONCLUSIVE] * 2 and "does its field have classes?" in str(missing.reason)


CHECKS = """
from assay.checks import measured


def words(item):
    return measured(len(item.output["note"].split()))
"""


def wordy(lengths: Callable[[int, int], int]) -> Callable[[Asked], Reaction]:
    """Answers that are right as the prompt says, with notes whose length depends on the prompt and the record."""

    def react(asked: Asked) -> Reaction:
        found = re.search(r"right until (\d+) of 100: text number (\d+)", asked.prompt)
        assert found is not None
        share, number = int(found[1]), int(found[2])
        label = RIGHT if number % 100 < share else WRONG
        return Reaction(text=json.dumps({"label": label, "note": " ".join(["w"] * lengths(share, number))}))

    return react


def test_an_evaluation_decides_means_and_classes_and_lands_them(bench: Bench, model: ModelEndpoint, name: str) -> None:
    model.react = wordy(lambda share, number: 10 + number % 7 + (20 + number % 3 if share == 90 else 0))
    rules = [
        {"name": "short", "type": "mean", "metric": WORDS, "at_most": 50},
        {"name": "not_longer", "type": "no_regression", "metric": WORDS, "margin": 3, "higher_is_better": False},
        {"name": "recalled", "type": "lower_bound", "metric": "recall", "scorer": "label_right", "label": RIGHT, "at_least": 0.8},
        {"name": "macro", "type": "lower_bound", "metric": "macro_f1", "scorer": "label_right", "at_least": 0.9},
    ]  # fmt: skip
    bench.place.write(f"tasks/{name}/checks.py", CHECKS)
    check = {"name": WORDS, "type": "custom", "function": "checks.py:words", "gives": "number"}
    labelled = cases(200, slices=lambda number: {"kind": "rare" if number == 7 else "usual"})
    task = evaluated_task(bench.place, name, labelled, variants={"longer": 90}, rules=rules, more_checks=[check])

    found = evaluated(bench, task, candidate="longer", champion="default", is_gate=True)

    states = {one.rule.name: one.state for one in found.verdict.outcomes}
    assert states["short"] is RuleState.PASS and states["not_longer"] is RuleState.FAIL
    assert states["recalled"] is RuleState.PASS
    sql = "select metric, scorer, label, value, low, high from estimates where evaluation_id = @id order by metric"
    rows = {row["metric"]: row for row in bench.place.query(sql, id=found.evaluation_id)}
    assert {name: (row["scorer"], row["label"]) for name, row in rows.items()} == {
        "mean": (WORDS, None), "recall": ("label_right", RIGHT), "macro_f1": ("label_right", None),
    }  # fmt: skip
    assert rows["recall"]["value"] == pytest.approx(0.9)
    assert rows["macro_f1"]["value"] == pytest.approx((2 * 180 / (200 + 180) + 0) / 2)
    landed = bench.place.query(
        "select metric, slice, kind, difference, candidate_rate, margin from comparisons where evaluation_id = @id and kind = 'mean'",
        id=found.evaluation_id,
    )
    (row,) = (row for row in landed if row["slice"] == "overall")
    assert {row["slice"] for row in landed} == {"overall", "kind=usual"}  # one record has no difference of means
    (mean,) = read_scorecard(bench.project.warehouse, task, ReportedRun(variant="longer")).as_dict()["means"]
    assert (mean["n"], mean["mean"]) == (200, pytest.approx(np.mean([30 + n % 7 + n % 3 for n in range(200)])))
    assert mean["low"] < mean["mean"] < mean["high"]
    assert row["difference"] == pytest.approx(np.mean([20 + n % 3 for n in range(200)]))
    assert (row["metric"], row["margin"]) == (WORDS, 3)
    decided_rules = bench.place.query("select rules from gates where gate_id = @id", id=found.gate_id)[0]["rules"]
    content = decided_rules if isinstance(decided_rules, list) else json.loads(decided_rules)
    assert {rule["name"]: rule["metric"] for rule in content}["recalled"] == f"recall of {RIGHT} (label_right)"


def test_a_number_that_is_nowhere_given_is_not_compared_as_a_rate(
    bench: Bench, model: ModelEndpoint, name: str
) -> None:
    model.react = wordy(lambda share, number: 3 + number % 4)
    rules = [
        {"name": "short", "type": "mean", "metric": WORDS, "at_most": 50},
        {"name": "not_longer", "type": "no_regression", "metric": WORDS, "margin": 3, "higher_is_better": False},
    ]
    bench.place.write(f"tasks/{name}/checks.py", "def words(item):\n    return 1 / 0\n")
    check = {"name": WORDS, "type": "custom", "function": "checks.py:words", "gives": "number"}
    task = evaluated_task(bench.place, name, cases(60), variants={"longer": 90}, rules=rules, more_checks=[check])

    found = evaluated(bench, task, candidate="longer", champion="default", is_gate=True)

    assert {one.metric for one in found.compared} == {"reliability", "label_right"}
    assert [(one.state, one.evidence and one.evidence.value) for one in found.verdict.outcomes] == [
        (RuleState.INCONCLUSIVE, None)
    ] * 2
    assert [one.reason for one in found.verdict.outcomes] == [
        "60 of 60 unscored (100.0%), without bounds: the mean is of the others",
        "no record has a number for both variants",
    ]
