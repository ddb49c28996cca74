"""What counts as correct, and when a rate has an interval."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from assay.evals.estimates import ReliabilityTallies, is_correct
from assay.evals.statistics import proportion_interval
from assay.inference.request import RunFacts
from assay.records import Estimate, Score
from assay.tasks.task import Task
from tests.fakes.task_folder import TaskFolder

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


def tallied(task: Task, *, correct: int, wrong: int, unscored: int = 0, epochs: int = 1, clusters: int = 0) -> Estimate:
    """The overall estimate; `clusters` of them share the records."""
    tallies = ReliabilityTallies()
    verdicts = [True] * correct + [False] * wrong + [None] * unscored
    for number, verdict in enumerate(verdicts):
        cluster = f"{number % clusters:016x}".ljust(64, "0") if clusters else None
        tallies.add(population="input", slices=(), cluster_id=cluster, status="ok", correct=verdict)
    (found,) = tallies.estimates(task, FACTS, epochs=epochs)
    return found


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
        ("ok", False, None, None),
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
    folder.edit("correct: [label_right]\n", "")

    assert is_correct(folder.load(), "ok", {"label_right": score("label_right", True)}) is None
    assert is_correct(folder.load(), "failed", {}) is None


def test_a_rate_of_independent_records_has_its_interval(task: Task) -> None:
    found, expected = tallied(task, correct=80, wrong=20), proportion_interval(80, 100)

    assert (found.value, found.low, found.high, found.method) == (0.8, expected.low, expected.high, "wilson")
    assert (found.n, found.effective_n, found.status, found.reason) == (100, 100.0, "ok", None)


def test_few_failures_get_the_exact_interval(task: Task) -> None:
    assert tallied(task, correct=98, wrong=2).method == "clopper_pearson"


@pytest.mark.parametrize(
    ("case", "reason"),
    [
        ({"correct": 80, "wrong": 20, "epochs": 2}, "several epochs of the same record are not independent"),
        ({"correct": 80, "wrong": 20, "clusters": 30}, "100 predictions in 30 clusters are not independent"),
        ({"correct": 80, "wrong": 18, "unscored": 2}, "2 of 100 predictions could not be scored"),
        ({"correct": 0, "wrong": 0, "unscored": 7}, "7 of 7 predictions could not be scored"),
    ],
)
def test_no_interval_is_given_where_its_conditions_fail_and_the_reason_is(
    task: Task, case: dict[str, int], reason: str
) -> None:
    found = tallied(task, **case)

    assert (found.low, found.high, found.effective_n, found.method, found.status) == (None, None, None, "none", "none")
    assert found.reason == reason


def test_a_rate_with_too_much_unscored_is_not_stated(task: Task) -> None:
    assert tallied(task, correct=80, wrong=18, unscored=2).value is None
    assert tallied(task, correct=80, wrong=20, epochs=2).value == 0.8


def test_one_unscored_of_a_hundred_is_borne_and_left_out_of_the_rate(task: Task) -> None:
    found = tallied(task, correct=80, wrong=19, unscored=1)

    assert (found.n, found.status) == (99, "ok")
    assert found.value == pytest.approx(80 / 99)


def test_clusters_of_one_record_each_are_independent(task: Task) -> None:
    assert tallied(task, correct=8, wrong=12, clusters=20).status == "ok"


def test_predictions_skipped_for_the_budget_are_not_counted(task: Task) -> None:
    tallies = ReliabilityTallies()
    tallies.add(population="input", slices=(), cluster_id=None, status="skipped_budget", correct=None)

    assert list(tallies.estimates(task, FACTS, epochs=1)) == []


def test_each_population_and_slice_has_its_own_row_and_id(task: Task) -> None:
    tallies = ReliabilityTallies()
    tallies.add(population="golden:dev", slices=("kind=plain",), cluster_id=None, status="ok", correct=True)
    tallies.add(population="golden:gate", slices=(), cluster_id=None, status="failed", correct=False)

    rows = list(tallies.estimates(task, FACTS, epochs=1))

    places = [(row.population, row.slice, row.value) for row in rows]
    assert places == [
        ("golden:dev", "kind=plain", 1.0),
        ("golden:dev", "overall", 1.0),
        ("golden:gate", "overall", 0.0),
    ]
    assert len({row.estimate_id for row in rows}) == 3


def test_an_estimate_names_the_versions_it_speaks_of(task: Task) -> None:
    found = tallied(task, correct=1, wrong=1)

    assert found.golden_set_version == task.versions.golden_set
    assert found.policy_version == task.versions.policy
    assert found.inference_version == "v"
