"""What counts as correct, and which rates of a run land with which interval."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import fields, replace
from datetime import UTC, date, datetime
from typing import Any

import numpy as np
import pytest

from assay.inference.request import RunFacts
from assay.records.evaluation import Estimate, Score
from assay.records.keys import ClusterKey
from assay.scoring.estimates import estimates, is_correct, tally_of
from assay.scoring.tally import Tallied, Tally
from assay.statistics.measured import Measured
from assay.statistics.multiple.slices import slice_differences
from assay.statistics.rates import rate
from assay.statistics.sampling import Groups, Sampling
from assay.tasks.task import Task
from tests.fakes.task_folder import TaskFolder
from tests.statistics.named_repeats import pass_at_k, pass_hat_k, variance_split

FACTS = RunFacts(
    run_id="run-1",
    task="sorting",
    data_date=date(2026, 11, 23),
    variant="default",
    stage="shadow",
    inference_version="v",
    masking_version="m",
)


def score(scorer: str, passed: bool | None, status: str = "scored") -> Score:
    return Score(
        score_id=scorer, prediction_id="p", run_id="run-1", task="sorting", data_date=FACTS.data_date,
        occurred_at=datetime(2026, 11, 23, tzinfo=UTC), tenant_id="default", record_id="r", epoch=0, scorer=scorer,
        scorer_kind="check", scorer_version="1", passed=passed, status=status, masking_version="m",
    )  # fmt: skip


def tallied(position: int, correct: bool | None, **columns: Any) -> Tallied:
    """One answer that its only check judged alike."""
    status = "unscored" if correct is None else "scored"
    given = {
        "population": "input", "slices": (), "cluster": None, "status": "ok",
        "correct": correct, "is_counted": True, "verdicts": {"label_right": score("label_right", correct, status)},
        "votes": {}, **columns,
    }  # fmt: skip
    return Tallied(position=position, **given)


def landed(task: Task, answers: Iterable[Tallied], *, epochs: int = 1) -> list[Estimate]:
    tally = tally_of(task)
    for answer in answers:
        tally.add(answer)
    return list(estimates(tally, task, FACTS, epochs=epochs))


def one(rows: list[Estimate], metric: str = "reliability", slice: str = "overall") -> Estimate:
    (found,) = [row for row in rows if (row.metric, row.slice) == (metric, slice)]
    return found


def same(row: Estimate, measured: Measured) -> bool:
    """Every figure that was measured is the row's, up to the order of summing."""
    return all(getattr(row, field.name) == pytest.approx(getattr(measured, field.name)) for field in fields(measured))


@pytest.fixture
def strict_task(folder: TaskFolder) -> Task:
    folder.edit("correct: [label_right]", "correct: [label_right, mine]")
    return folder.load()


@pytest.mark.parametrize(
    ("status", "first", "second", "expected"),
    [
        ("ok", True, True, True),
        ("repaired", True, True, True),
        ("ok", True, False, False),
        ("ok", False, False, False),
        ("ok", True, None, None),
        ("ok", False, None, False),
        ("ok", None, False, False),
        ("ok", None, None, None),
        ("fallback", True, True, False),
        ("failed", None, None, False),
        ("refused", None, None, False),
        ("invalid_output", None, None, False),
    ],
)
def test_a_prediction_is_correct_when_every_named_scorer_passed(
    strict_task: Task, status: str, first: bool | None, second: bool | None, expected: bool | None
) -> None:
    scores = {
        name: score(name, passed, "unscored" if passed is None else "scored")
        for name, passed in (("label_right", first), ("mine", second))
    }

    assert is_correct(strict_task, status, scores) is expected


@pytest.mark.parametrize("passed", [True, False])
def test_a_fallback_counts_where_the_task_says_so(folder: TaskFolder, passed: bool) -> None:
    folder.edit("correct: [label_right]", "correct: [label_right]\nfallback_counts: true")

    assert is_correct(folder.load(), "fallback", {"label_right": score("label_right", passed)}) is passed


def test_a_scorer_that_broke_says_nothing_about_the_prediction(task: Task) -> None:
    assert is_correct(task, "ok", {"label_right": score("label_right", None, "failed")}) is None


def test_nothing_is_correct_or_wrong_where_the_task_does_not_say_what_correct_is(folder: TaskFolder) -> None:
    folder.edit("correct: [label_right]\nthresholds:\n  reliability: 0.8\n", "")

    assert is_correct(folder.load(), "ok", {"label_right": score("label_right", True)}) is None
    assert is_correct(folder.load(), "failed", {}) is None


OUTCOMES = [number % 7 not in (0, 3) for number in range(240)]


@pytest.mark.parametrize(
    ("epochs", "records_of_a_cluster", "unscored"),
    [(1, 0, 0), (1, 0, 2), (1, 0, 30), (1, 3, 0), (1, 60, 0), (3, 0, 0), (3, 2, 2), (3, 2, 30), (3, 20, 0)],
)
def test_each_rate_is_that_of_its_rows(task: Task, epochs: int, records_of_a_cluster: int, unscored: int) -> None:
    outcomes = [None if number < unscored else outcome for number, outcome in enumerate(OUTCOMES)]
    records = [number // epochs for number in range(len(outcomes))]
    clusters = [f"c{record // records_of_a_cluster}" if records_of_a_cluster else None for record in records]
    rows = landed(
        task,
        [
            tallied(record, correct, cluster=ClusterKey.of("default", cluster))
            for record, correct, cluster in zip(records, outcomes, clusters, strict=True)
        ],
        epochs=epochs,
    )

    expected = rate(outcomes, Sampling(records=records, clusters=clusters))
    assert all(same(one(rows, metric), expected) for metric in ("reliability", "quality_when_answered", "pass_rate"))


def test_several_epochs_have_pass_at_k_and_pass_hat_k_for_each_k(task: Task) -> None:
    records = [number // 3 for number in range(240)]
    clusters = [f"c{record // 4}" for record in records]
    rows = landed(
        task,
        [
            tallied(record, correct, cluster=ClusterKey.of("default", cluster))
            for record, correct, cluster in zip(records, OUTCOMES, clusters, strict=True)
        ],
        epochs=3,
    )

    sampling = Sampling(records=records, clusters=clusters)
    for k in (1, 2, 3):
        assert same(one(rows, f"pass_at_{k}"), pass_at_k(OUTCOMES, sampling, k=k))
        assert same(one(rows, f"pass_hat_{k}"), pass_hat_k(OUTCOMES, sampling, k=k))
    assert len({row.estimate_id for row in rows}) == len(rows) == 3 + 6


def test_k_of_too_much_unscored_leaves_the_worst_and_the_best_case(task: Task) -> None:
    records = [number // 3 for number in range(240)]
    outcomes = [None if number % 10 == 0 else outcome for number, outcome in enumerate(OUTCOMES)]
    rows = landed(task, [tallied(*each) for each in zip(records, outcomes, strict=True)], epochs=3)

    worst, best = ([case if outcome is None else outcome for outcome in outcomes] for case in (False, True))
    for k in (1, 2, 3):
        low, high = (pass_at_k(case, Sampling(records=records), k=k) for case in (worst, best))
        found = one(rows, f"pass_at_{k}")
        assert (found.value, found.status, found.n) == (low.value, "unscored", 80)
        bounds = (found.worst, found.best, found.low, found.high)
        assert bounds == pytest.approx((low.value, high.value, low.low, high.high))
        assert found.reason is not None and found.reason.startswith("24 of 240 unscored: ")


def test_k_of_nothing_scored_has_bounds_and_no_value(task: Task) -> None:
    rows = landed(task, [tallied(number // 3, None) for number in range(90)], epochs=3)

    for metric in ("reliability", "pass_at_2", "pass_hat_2"):
        found = one(rows, metric)
        assert (found.value, found.worst, found.best, found.status) == (None, 0.0, 1.0, "unscored")


def test_the_variance_of_several_epochs_is_told_apart(task: Task) -> None:
    records = [number // 3 for number in range(240)]
    rows = landed(task, [tallied(*each) for each in zip(records, OUTCOMES, strict=True)], epochs=3)

    split = variance_split(OUTCOMES, records=records)
    assert split is not None
    expected = {"record": split.record, "epoch": split.epoch, "judge": None, "total": split.total}
    for metric in ("reliability", "pass_rate"):
        found = json.loads(one(rows, metric).details or "")["variance"]
        assert {name: found[name] for name in expected} == pytest.approx(expected)
        assert (found["records"], found["answers"], found["scores"]) == (80, 240, 240)


def test_what_the_judge_adds_to_the_variance_is_told_where_it_is_asked_again(task: Task) -> None:
    tally = Tally({"label_right": 3})
    said = [[number % 5 > 0, number % 3 > 0, None] for number in range(100)]
    for number, votes in enumerate(said):
        tally.add(tallied(number, True, votes={"label_right": [score("x", o) for o in votes if o is not None]}))

    found = json.loads(one(list(estimates(tally, task, FACTS, epochs=1)), "pass_rate").details or "")["variance"]
    flat = [vote for votes in said for vote in votes]
    owners = [number for number in range(100) for _ in range(3)]
    split = variance_split(flat, records=owners, answers=owners)
    assert split is not None and split.judge is not None
    assert (found["record"], found["judge"], found["scores"]) == (
        pytest.approx(split.record),
        pytest.approx(split.judge),
        200,
    )


def test_answers_asked_once_have_no_variance_and_no_k(task: Task) -> None:
    rows = landed(task, [tallied(number, number % 3 > 0) for number in range(60)])

    assert [row.metric for row in rows] == ["reliability", "quality_when_answered", "pass_rate"]
    assert [row.details for row in rows] == [None] * 3


def test_an_answer_that_failed_is_wrong_but_no_answer(task: Task) -> None:
    failures = [
        tallied(100 + number, False, status="failed", verdicts={"label_right": score("label_right", None, "unscored")})
        for number in range(20)
    ]
    rows = landed(task, [*(tallied(number, number % 10 > 0) for number in range(80)), *failures])

    for metric in ("reliability", "pass_rate"):
        assert (one(rows, metric).n, one(rows, metric).value) == (100, 0.72)
    assert (one(rows, "quality_when_answered").n, one(rows, "quality_when_answered").value) == (80, 0.9)


def test_a_fallback_is_scored_but_not_answered(task: Task) -> None:
    rows = landed(task, [*(tallied(number, True) for number in range(10)), tallied(10, False, status="fallback")])

    assert [one(rows, metric).n for metric in ("reliability", "quality_when_answered", "pass_rate")] == [11, 10, 11]


STATUSES = [("ok", 20), ("repaired", 10), ("fallback", 12), ("invalid_output", 5), ("failed", 7), ("refused", 4)]


def answers_of_every_status(*, opinion: Callable[[int], bool | None]) -> list[Tallied]:
    """Predictions of every status; where there is an output, the scorer's opinion of it goes by its number."""
    statuses = [status for status, count in STATUSES for _ in range(count)]
    found = []
    for number, status in enumerate(statuses):
        passed = opinion(number) if status in ("ok", "repaired", "fallback") else None
        verdict = score("label_right", passed, "unscored" if passed is None else "scored")
        found.append(tallied(number, None, status=status, verdicts={"label_right": verdict}))
    return found


@pytest.mark.parametrize("opinion", [lambda _: True, lambda n: n % 3 > 0, lambda n: None if n % 5 == 0 else n % 3 > 0])
def test_a_pass_rate_is_of_the_models_own_outputs_and_the_delivered_one_of_fallbacks_too(
    task: Task, opinion: Callable[[int], bool | None]
) -> None:
    rows = landed(task, answers_of_every_status(opinion=opinion))

    own = [opinion(n) if n < 30 else False for n in range(58)]
    delivered = [opinion(n) if n < 42 else False for n in range(58)]
    assert same(one(rows, "pass_rate"), rate(own))
    assert same(one(rows, "delivered_pass_rate"), rate(delivered))


def test_without_a_fallback_nothing_else_was_delivered(task: Task) -> None:
    answered = [answer for answer in answers_of_every_status(opinion=lambda _: True) if answer.status != "fallback"]

    assert "delivered_pass_rate" not in [row.metric for row in landed(task, answered)]


def test_a_number_without_pass_or_fail_is_undecided_among_decided_ones(task: Task) -> None:
    measured = tallied(10, None, verdicts={"label_right": score("label_right", None)})
    found = one(landed(task, [*(tallied(number, True) for number in range(9)), measured]), "pass_rate")

    assert (found.n, found.value, found.worst, found.best) == (10, 0.9, 0.9, 1.0)


def test_a_pass_rate_names_its_scorer_and_the_others_none(task: Task) -> None:
    rows = landed(task, [tallied(number, True) for number in range(10)])

    version = task.versions.scorers["label_right"]
    assert [(row.scorer, row.scorer_version) for row in rows] == [(None, None), (None, None), ("label_right", version)]


def test_what_a_judge_was_not_to_judge_is_in_no_rate(task: Task) -> None:
    outside = tallied(1, None, is_counted=False, verdicts={}, slices=("kind=rare",))
    rows = landed(task, [tallied(0, True), outside])

    assert [(row.metric, row.slice, row.n) for row in rows] == [
        ("reliability", "overall", 1),
        ("quality_when_answered", "overall", 1),
        ("pass_rate", "overall", 1),
    ]


def test_a_scorer_that_says_neither_passed_nor_failed_has_no_pass_rate(task: Task) -> None:
    failed = tallied(1, False, status="failed", verdicts={"mine": score("mine", None, "unscored")})
    rows = landed(task, [tallied(0, None, verdicts={"mine": score("mine", None)}), failed])

    assert [row.metric for row in rows if row.metric != "mean"] == ["reliability", "quality_when_answered"]


def test_a_slice_in_which_nothing_is_scored_has_no_rate_of_a_scorer_that_gives_numbers(task: Task) -> None:
    failed = tallied(1, None, slices=("k=x",), verdicts={"mine": score("mine", None, "failed")})
    measured = replace(score("mine", None), value=3.0)
    rows = landed(task, [tallied(0, None, verdicts={"mine": measured}), failed])

    assert {(row.metric, row.slice, row.scorer) for row in rows if row.scorer} == {
        ("mean", "overall", "mine"),
        ("mean", "k=x", "mine"),
    }


def test_too_much_unscored_leaves_the_worst_and_the_best_case(task: Task) -> None:
    found = one(landed(task, [tallied(number, None if number < 2 else number < 80) for number in range(100)]))

    assert (found.value, found.status, found.method) == (0.78, "unscored", "worst_and_best_case")
    assert (found.worst, found.best, found.n) == (0.78, 0.8, 100)
    assert found.low is not None and found.high is not None and found.low < 0.78 and found.high > 0.8
    assert found.reason is not None and found.reason.startswith("2 of 100 unscored: ")


def test_a_cluster_belongs_to_its_tenant(task: Task) -> None:
    rows = landed(task, [tallied(number, True, cluster=ClusterKey(f"t{number % 2}", "c")) for number in range(4)])

    assert one(rows).clusters == 2


def test_predictions_skipped_for_the_budget_are_not_counted(task: Task) -> None:
    assert landed(task, [tallied(0, None, status="skipped_budget")]) == []


def test_each_population_and_slice_has_its_own_row_and_id(task: Task) -> None:
    rows = landed(
        task,
        [
            tallied(0, True, population="golden:dev", slices=("kind=plain",)),
            tallied(1, False, population="golden:gate", status="failed"),
        ],
    )

    places = [(row.population, row.slice, row.value) for row in rows if row.metric == "reliability"]
    assert places == [
        ("golden:dev", "kind=plain", 1.0),
        ("golden:dev", "overall", 1.0),
        ("golden:gate", "overall", 0.0),
    ]
    assert len({row.estimate_id for row in rows}) == len(rows)


def test_an_estimate_names_the_versions_it_speaks_of(task: Task) -> None:
    found = one(landed(task, [tallied(0, True), tallied(1, False)]))

    assert found.kind == "run"
    assert found.golden_set_version == task.versions.golden_set
    assert found.policy_version == task.versions.policy
    assert (found.inference_version, found.evaluation_id, found.run_id) == ("v", "run-1", "run-1")


def test_each_slice_lands_against_the_rest_of_its_population(task: Task) -> None:
    rows = landed(
        task,
        [
            tallied(number, number % 10 != 0 if number >= 60 else number % 2 == 0, slices=(kind(number), "size=all"))
            for number in range(300)
        ],
    )

    found = {row.slice: row for row in rows if row.metric == "slice_difference"}

    values = np.array([float(number % 10 != 0 if number >= 60 else number % 2 == 0) for number in range(300)])
    inside, records = np.arange(300) < 60, np.arange(300)
    members = {"kind=rare": inside, "kind=usual": ~inside, "size=all": np.ones(300, dtype=bool)}
    groups = Groups.numbered(records, records=records)
    expected = {one.slice: one for one in slice_differences(values, groups, records=records, slices=members)}
    assert set(found) == set(expected)
    rare, test = found["kind=rare"], expected["kind=rare"].test
    assert test is not None and (rare.value, rare.low, rare.high, rare.n) == (0.5 - 0.9, test.low, test.high, 60)
    details = json.loads(rare.details or "")
    assert (details["rate"], details["rest_rate"], details["n_rest"], details["tested_slices"]) == (0.5, 0.9, 240, 2)
    assert details["adjusted_p"] == test.p < 0.001
    assert (found["size=all"].status, found["size=all"].low) == ("too_few", None)


def kind(number: int) -> str:
    return "kind=rare" if number < 60 else "kind=usual"
