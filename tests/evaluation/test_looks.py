"""Repeated looks at the same cases: all together pass a version at the margin in at most 5% of searches."""

from __future__ import annotations

from datetime import UTC, date, datetime

import numpy as np
import pytest

from assay.evaluation.evidence import regression_evidence
from assay.evaluation.verdict import decide
from assay.pipeline import answer
from assay.records.evaluation import Promotion
from assay.records.statuses import RuleDecision, RuleKind, RuleState, Stage
from assay.statistics.looks import Look, look_at
from assay.statistics.paired import Pairs, compare
from assay.tasks.gate_rule import GateRule
from assay.tasks.task import Versions
from assay.warehouse.landing import LandingWriter
from tests.evaluation.scenario import FLOOR, NOT_WORSE, cases, evaluated, evaluated_task
from tests.runs.bench import DAY, Bench, Told

MARGIN = 0.05
RULE = GateRule(name="not_worse", kind=RuleKind.NO_REGRESSION, metric="reliability", threshold=MARGIN)


@pytest.mark.parametrize("planned", [None, 1, 2, 10, 1000])
def test_the_looks_together_spend_at_most_the_error_of_one_gate(planned: int | None) -> None:
    spent = 0.0
    for number in range(1, 2001):
        look = look_at(number, planned=planned)
        spent += look.error
        assert spent + look.left == pytest.approx(0.05), number
    assert spent <= 0.05 + 1e-12


def test_a_plan_that_was_changed_after_the_first_look_does_not_restore_what_is_spent() -> None:
    assert look_at(2, planned=10, spent=0.0475).error == pytest.approx(0.0025)
    assert look_at(3, planned=10, spent=0.05).error == 0
    assert look_at(2, planned=None, spent=0.05) == Look(number=2, error=0.0, left=0.0)


@pytest.mark.parametrize(("planned", "least"), [(None, 0.02), (10, 0.01)])
def test_ten_looks_at_a_version_at_the_margin_rarely_pass(planned: int | None, least: float) -> None:
    random, searches, n = np.random.default_rng(20261130), 500, 300
    passed = unadjusted = 0
    for _ in range(searches):
        champion = (random.random(n) < 0.90).astype(float)[:, None]
        decisions = []
        for number in range(1, 11):
            candidate = (random.random(n) < 0.90 - MARGIN).astype(float)[:, None]
            evidence = regression_evidence(compare(Pairs(candidate=candidate, champion=champion)), margin=MARGIN)
            decisions.append(
                [
                    decide([RULE], {RULE.name: evidence}, today=date(2026, 11, 30), look=one).decision
                    for one in (look_at(number, planned=planned), look_at(1, planned=1))
                ]
            )
        passed += any(own is RuleDecision.PASS for own, _ in decisions)
        unadjusted += any(each is RuleDecision.PASS for _, each in decisions)
    error = np.sqrt(0.05 * 0.95 / searches)
    assert unadjusted / searches > 0.15
    assert least <= passed / searches <= 0.05 + 2 * error


def test_every_new_run_of_the_gate_cases_is_a_look_whichever_version_it_is_of(bench: Bench, name: str) -> None:
    task = evaluated_task(bench.place, name, cases(60), rules=[FLOOR], variants={"reworded": 96, "again": 97})

    first = evaluated(bench, task, is_gate=True)
    assert (first.look.number, first.look.error) == (1, pytest.approx(0.0475))
    assert first.verdict.decision is RuleDecision.PASS
    assert evaluated(bench, task, is_gate=True).look == first.look
    bench.run(task, input="golden:gate")
    assert evaluated(bench, task).look == first.look, "a run that only reuses predictions shows nothing new"

    measured_anew = evaluated(bench, task, is_gate=True, reuse="never")
    assert (measured_anew.look.number, measured_anew.look.error) == (2, pytest.approx(0.00125))
    reworded = evaluated(bench, task, candidate="reworded", is_gate=True)
    assert (reworded.look.number, reworded.look.error) == (3, pytest.approx(0.05 * 0.05 / 6))
    assert reworded.look.left == pytest.approx(0.05 * 0.05 / 3)

    row = bench.place.query("select look, look_error, rules from gates where gate_id = @id", id=reworded.gate_id)[0]
    assert (row["look"], row["look_error"]) == (3, pytest.approx(0.05 * 0.05 / 6))
    assert row["rules"][0]["p_passing"] == pytest.approx(reworded.verdict.outcomes[0].p_passing)


def test_the_first_run_of_the_champion_is_no_look(bench: Bench, name: str) -> None:
    task = evaluated_task(bench.place, name, cases(60), rules=[NOT_WORSE], variants={"reworded": 96, "again": 94})

    found = evaluated(bench, task, candidate="reworded", champion="default")
    assert found.look.number == 1
    assert evaluated(bench, task, candidate="again", champion="default").look.number == 2
    assert evaluated(bench, task, candidate="again", champion="default", reuse="never").look.number == 4, (
        "a new run of both: a champion that is measured again until it is worse is a look, too"
    )


def test_one_more_case_is_no_new_set_and_other_cases_are(bench: Bench, name: str) -> None:
    task = evaluated_task(bench.place, name, cases(40), rules=[FLOOR])
    evaluated(bench, task)

    evaluated_task(bench.place, name, cases(41), rules=[FLOOR])
    assert evaluated(bench, task).look.number == 2
    evaluated_task(bench.place, name, cases(120)[41:], rules=[FLOOR])
    assert evaluated(bench, task).look.number == 1


def test_other_ids_and_another_split_are_no_new_cases(bench: Bench, name: str) -> None:
    labelled = cases(40)
    task = evaluated_task(bench.place, name, labelled, rules=[FLOOR], variants={"reworded": 96})
    evaluated(bench, task)

    renamed = [{**case, "case_id": f"new-{case['case_id']}"} for case in labelled]
    evaluated_task(bench.place, name, renamed, rules=[FLOOR], variants={"reworded": 96})
    assert evaluated(bench, task, candidate="reworded").look.number == 2

    moved = [{**case, "input": {"text": f"text number {n + 500:05}"}} for n, case in enumerate(labelled)]
    dev, gate = ([{**case, "split": split} for case in moved] for split in ("dev", "gate"))
    evaluated_task(bench.place, name, dev, rules=[FLOOR], variants={"reworded": 96})
    evaluated(bench, task, input="golden:dev")
    evaluated_task(bench.place, name, gate, rules=[FLOOR], variants={"reworded": 96})
    assert evaluated(bench, task, candidate="reworded").look.number == 2, "the dev cases of before are gate cases now"


def test_answers_that_were_requested_under_another_input_are_seen(bench: Bench, name: str) -> None:
    """Rows of a file with the texts of the gate cases, and a run that was never finished."""
    labelled = cases(40)
    source = {"record_id": "id", "fields": {"text": "text"}, "expected": {"label": "label"}}
    task = evaluated_task(
        bench.place, name, labelled, rules=[FLOOR], variants={"one": 96, "two": 97, "three": 98}, input=source
    )
    rows = [{"id": f"r{n}", "text": case["input"]["text"], "label": "question"} for n, case in enumerate(labelled)]
    file = bench.place.rows("copy.csv", rows)
    bench.run(task, variant="one", input=file)
    assert evaluated(bench, task, candidate="two").look.number == 2

    stopped = bench.admit(task, variant="three", input="golden:gate")
    answer(bench.project, stopped, Told(), handle_signals=False)
    found = evaluated(bench, task, candidate="three")
    assert (found.look.number, evaluated(bench, task).look.number) == (3, 4)


def test_a_decision_keeps_its_error_rate_when_the_plan_changes(bench: Bench, name: str) -> None:
    task = evaluated_task(bench.place, name, cases(40), rules=[FLOOR], variants={"reworded": 96, "again": 94})
    evaluated(bench, task, is_gate=True)
    second = evaluated(bench, task, candidate="reworded", is_gate=True)
    third = evaluated(bench, task, candidate="again", is_gate=True)

    planned = {"rules": [FLOOR], "looks": 20}
    evaluated_task(bench.place, name, cases(40), gate=planned, variants={"reworded": 96, "again": 94})
    assert evaluated(bench, task, candidate="reworded", is_gate=True).look.error == second.look.error
    assert evaluated(bench, task, candidate="again", is_gate=True).look.error == third.look.error
    landed = bench.place.query("select distinct look, look_error from gates where task = @task", task=task)
    assert sum(row["look_error"] for row in landed) <= 0.05 + 1e-12


def test_the_search_for_the_next_champion_begins_with_its_promotion(bench: Bench, name: str) -> None:
    task = evaluated_task(bench.place, name, cases(60), rules=[NOT_WORSE], variants={"reworded": 96, "again": 94})
    evaluated(bench, task, reuse="never")
    served = evaluated(bench, task, candidate="reworded", champion="default", reuse="never")
    assert served.look.number > 1

    _promote(bench, served.candidate.task.versions, task)
    found = evaluated(bench, task, candidate="again")
    assert found.champion is not None
    assert (found.champion.task.variant, found.look.number) == ("@stage:ga", 1)


def test_a_look_after_the_planned_ones_is_refused_with_the_reason(bench: Bench, name: str) -> None:
    gate = {"rules": [FLOOR], "looks": 2}
    task = evaluated_task(bench.place, name, cases(60), gate=gate, right=98)
    looks = [evaluated(bench, task, is_gate=True, reuse="never") for _ in range(3)]

    assert [one.verdict.decision for one in looks] == [
        RuleDecision.PASS,
        RuleDecision.PASS,
        RuleDecision.INCONCLUSIVE,
    ]
    outcome = looks[-1].verdict.outcomes[0]
    assert outcome.state is RuleState.INCONCLUSIVE
    assert "the error rate of looks at these cases is spent: this is look 3 (planned: 2)" in outcome.reason


def _promote(bench: Bench, versions: Versions, task: str) -> None:
    row = Promotion(
        data_date=DAY,
        occurred_at=datetime.now(UTC),
        tenant_id="default",
        promotion_id=f"promotion of {task}",
        task=task,
        variant="reworded",
        task_version_id=versions.task_version_id,
        inference_version=versions.inference,
        golden_set_version=versions.golden_set,
        policy_version=versions.policy,
        scorer_versions="{}",
        to_stage=Stage.GA,
        approver="tests",
        code_version="0",
    )
    LandingWriter(bench.project.warehouse).append([row])
