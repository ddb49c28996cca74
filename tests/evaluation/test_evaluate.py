"""A candidate is judged on the champion's records, by the rules of its task, and everything that decided is landed."""

from __future__ import annotations

import json
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from assay.errors import UsageError
from assay.records.statuses import RuleDecision, RuleState
from tests.architecture.evaluation_path import PACKAGE, listed
from tests.end_to_end.workplace import numbered_rows
from tests.evaluation.scenario import FLOOR, NOT_WORSE, WRONG, cases, evaluated, evaluated_task, obeying
from tests.fakes.model_endpoint import Asked, ModelEndpoint, Reaction
from tests.paths import ROOT
from tests.runs.bench import Bench


@pytest.fixture(autouse=True)
def _obeying(model: ModelEndpoint) -> None:
    model.react = obeying


def states(found: Any) -> dict[str, RuleState]:
    return {outcome.rule.name: outcome.state for outcome in found.verdict.outcomes}


def test_equal_prompts_on_five_hundred_records_pass(bench: Bench, name: str) -> None:
    task = evaluated_task(bench.place, name, cases(500), variants={"reworded": 96})

    found = evaluated(bench, task, candidate="reworded", champion="default", is_gate=True)

    assert (found.verdict.decision, found.exit_code) == (RuleDecision.PASS, 0)
    overall = found.compared[0].comparison
    assert (overall.n, overall.gains, overall.losses, overall.difference) == (500, 5, 0, pytest.approx(0.01))


def test_twelve_records_are_too_few_to_tell(bench: Bench, name: str) -> None:
    task = evaluated_task(bench.place, name, cases(12), variants={"reworded": 96}, stage="beta")

    found = evaluated(bench, task, candidate="reworded", champion="default", is_gate=True)

    assert (found.verdict.decision, found.exit_code) == (RuleDecision.INCONCLUSIVE, 2)
    assert found.compared[0].comparison.needed is not None


def test_a_prompt_made_worse_fails(bench: Bench, name: str) -> None:
    task = evaluated_task(bench.place, name, cases(200), variants={"worse": 60})

    found = evaluated(bench, task, candidate="worse", champion="default")

    assert (found.verdict.decision, found.exit_code) == (RuleDecision.FAIL, 1)
    assert states(found) == {"floor": RuleState.FAIL, "not_worse": RuleState.FAIL}


def test_an_inconclusive_gate_only_warns_in_shadow(bench: Bench, name: str) -> None:
    task = evaluated_task(bench.place, name, cases(12), variants={"reworded": 96})

    found = evaluated(bench, task, candidate="reworded", champion="default", is_gate=True)

    assert (found.verdict.decision, found.blocks, found.exit_code) == (RuleDecision.INCONCLUSIVE, False, 0)
    assert evaluated(bench, task, candidate="reworded", champion="default").exit_code == 2


def test_without_a_champion_only_absolute_rules_count(bench: Bench, name: str) -> None:
    found = evaluated(bench, evaluated_task(bench.place, name, cases(200)))

    assert found.notes == ("no version serves @stage:ga yet: only absolute rules are decided",)
    assert states(found) == {"floor": RuleState.PASS, "not_worse": RuleState.REPORTED}
    assert found.verdict.decision is RuleDecision.PASS


def test_answers_that_are_there_are_not_asked_again(bench: Bench, name: str, model: ModelEndpoint) -> None:
    task = evaluated_task(bench.place, name, cases(30), variants={"reworded": 96})
    first = evaluated(bench, task, candidate="reworded", champion="default")
    asked = len(model.asked)

    again = evaluated(bench, task, candidate="reworded", champion="default")

    assert (asked, len(model.asked)) == (60, 60)
    assert again.evaluation_id == first.evaluation_id
    assert (again.candidate.is_reused, again.champion and again.champion.is_reused) == (True, True)


def test_failures_of_a_run_that_stands_in_count_as_they_did(bench: Bench, name: str, model: ModelEndpoint) -> None:
    task = evaluated_task(bench.place, name, cases(30))
    model.react = lambda asked: Reaction(status=400) if "00003" in asked.prompt else obeying(asked)
    evaluated(bench, task)
    model.react = obeying

    found = evaluated(bench, task)

    assert len(model.asked) == 30
    assert [row.is_correct for row in found.candidate.outcomes.rows].count(False) == 1


def test_reruns_do_not_improve_what_a_gate_decides(bench: Bench, name: str, model: ModelEndpoint) -> None:
    task = evaluated_task(bench.place, name, cases(40))
    breaking = dict(zip(range(40), [1, 2, 0, 0] * 10, strict=True))
    asked: Counter[str] = Counter()

    def react(call: Asked) -> Reaction:
        asked[call.prompt] += 1
        number = next(n for n in breaking if f"{n:05}" in call.prompt)
        return Reaction(status=400) if asked[call.prompt] <= breaking[number] else obeying(call)

    model.react = react
    runs = [bench.run(task, input="golden:gate") for _ in range(3)]
    found = evaluated(bench, task)

    assert [run.statuses["ok"] for run in runs] == [20, 30, 40]
    assert (found.candidate.is_reused, found.candidate.run_id) == (True, runs[-1].run_id)
    rate = found.candidate.outcomes.rate("reliability", "overall").measured
    assert (rate.n, rate.value) == (40, pytest.approx(0.5))


def test_a_run_that_ran_out_of_budget_does_not_stand_in(bench: Bench, name: str, model: ModelEndpoint) -> None:
    task = evaluated_task(bench.place, name, cases(12))
    with pytest.raises(UsageError, match="the budget ran out with requests not sent"):
        evaluated(bench, task, budget_usd=0)

    found = evaluated(bench, task)

    assert (found.candidate.is_reused, len(found.candidate.outcomes.rows), len(model.asked)) == (False, 12, 12)


def test_a_change_of_policy_asks_nothing_and_a_change_of_the_routes_all(
    bench: Bench, name: str, model: ModelEndpoint
) -> None:
    evaluated(bench, evaluated_task(bench.place, name, cases(10)))
    stricter = evaluated(bench, evaluated_task(bench.place, name, cases(10), rules=[{**FLOOR, "at_least": 0.5}]))
    route = {"name": "first", "provider": "openai", "model": "gpt-4.1-nano", "timeout_s": 30, "max_attempts": 1}

    patient = evaluated(bench, evaluated_task(bench.place, name, cases(10), routes=[route]))

    assert (stricter.candidate.is_reused, patient.candidate.is_reused, len(model.asked)) == (True, False, 10)


def test_a_change_of_the_cases_asks_the_new_one_only(bench: Bench, name: str, model: ModelEndpoint) -> None:
    evaluated(bench, evaluated_task(bench.place, name, cases(20)))

    found = evaluated(bench, evaluated_task(bench.place, name, cases(21)))

    assert len(model.asked) == 21
    assert found.candidate.outcomes.records() == 21


def test_what_decided_is_landed(bench: Bench, name: str) -> None:
    waiver = {"rule": "floor", "owner": "tests", "reason": "known", "expires": "2099-01-01"}
    task = evaluated_task(
        bench.place, name, cases(40), right=50, variants={"worse": 10}, gate={"rules": [FLOOR, NOT_WORSE], "waivers": [waiver]}
    )  # fmt: skip
    found = evaluated(bench, task, candidate="worse", champion="default", is_gate=True)

    gate = bench.place.query("select * from gates where gate_id = @id", id=found.gate_id)[0]
    rules = {rule["name"]: rule for rule in gate["rules"]}
    assert (gate["decision"], gate["candidate_variant"], gate["champion_variant"]) == ("FAIL", "worse", "default")
    assert (rules["floor"]["state"], rules["floor"]["unwaived"], rules["floor"]["waiver"]["owner"]) == (
        "waived",
        "fail",
        "tests",
    )
    by_id = "select * from {} where {} = @id"
    estimate = bench.place.query(by_id.format("estimates", "estimate_id"), id=rules["floor"]["estimate_ids"][0])[0]
    assert (estimate["metric"], estimate["n"], estimate["level"], estimate["value"]) == ("reliability", 40, 0.9, 0.25)
    comparison = bench.place.query(
        by_id.format("comparisons", "comparison_id"), id=rules["not_worse"]["estimate_ids"][0]
    )[0]
    assert (comparison["n"], comparison["margin"], comparison["candidate_run_id"]) == (40, 0.03, found.candidate.run_id)


def test_cost_and_latency_of_reused_answers_are_those_of_their_calls(bench: Bench, name: str) -> None:
    rules = [
        {"name": "cheap", "type": "cost_per_correct", "at_most_usd": 1.0},
        {"name": "fast", "type": "latency", "at_least": 0.8},
    ]
    sla = {"latency_ms": 60_000, "share": 0.95}
    evaluated(bench, evaluated_task(bench.place, name, cases(60), rules=rules, sla=sla))
    found = evaluated(bench, evaluated_task(bench.place, name, cases(61), rules=rules, sla=sla))

    # The endpoint bills every call alike: equal costs have no interval, so the rule on them decides nothing.
    assert states(found) == {"cheap": RuleState.INCONCLUSIVE, "fast": RuleState.PASS}
    assert (found.measured["fast"].n, found.measured["cheap"].n) == (61, 61)
    assert found.measured["cheap"].value == pytest.approx(
        sum(row.cost_usd or 0 for row in found.candidate.outcomes.rows) / 61
    )
    assert all(row.cost_usd for row in found.candidate.outcomes.rows)


def test_a_rule_on_a_slice_is_decided_on_its_records(bench: Bench, name: str) -> None:
    rule = {"name": "phones", "type": "lower_bound", "slice": "channel=phone", "at_least": 0.5, "n_min": 10}
    rare = {**rule, "name": "faxes", "slice": "channel=fax", "n_min": 100}
    labelled = cases(40, slices=lambda number: {"channel": "phone" if number % 2 else "fax"})

    found = evaluated(bench, evaluated_task(bench.place, name, labelled, rules=[rule, rare]))

    assert states(found) == {"phones": RuleState.PASS, "faxes": RuleState.REPORTED}
    assert found.measured["phones"].n == 20


def test_records_of_a_cluster_and_epochs_are_not_counted_as_independent(bench: Bench, name: str) -> None:
    labelled = cases(60, cluster_id=lambda number: f"customer {number // 3}")
    task = evaluated_task(bench.place, name, labelled, right=40, variants={"worse": 20})

    found = evaluated(bench, task, candidate="worse", champion="default", epochs=2)

    overall = found.compared[0].comparison
    assert (overall.n, overall.clusters, overall.losses) == (60, 20, 20)
    assert found.measured["floor"].clusters == 20


def test_cases_that_the_prompt_shows_are_no_evidence(bench: Bench, name: str) -> None:
    prompts = {"user": "user.j2", "few_shot": ["c00000", "c00001"]}
    task = evaluated_task(bench.place, name, cases(20, split="dev"), prompts=prompts)

    assert evaluated(bench, task, input="golden:dev").measured["floor"].n == 18


def test_rows_of_a_file_are_no_cases_whatever_the_file_is_called(bench: Bench, name: str) -> None:
    task = evaluated_task(bench.place, name, cases(3, split="dev"), prompts={"user": "user.j2", "few_shot": ["c00000"]}, input={
        "record_id": "id", "fields": {"text": "text"}, "expected": {"label": "label"},
    })  # fmt: skip
    rows = [
        {"id": "c00000", "text": "text number 00000", "label": "question"},
        {**numbered_rows(1)[0], "label": "question"},
    ]

    found = evaluated(bench, task, input=bench.place.rows("golden_rows.csv", rows))

    assert found.candidate.outcomes.records() == 2


def test_the_gate_split_remembers_how_often_it_was_asked(bench: Bench, name: str) -> None:
    task = evaluated_task(bench.place, name, cases(20), variants={"reworded": 96})
    evaluated(bench, task)

    assert evaluated(bench, task, candidate="reworded").uses == (2, 2)
    changed = evaluated_task(bench.place, name, [*cases(20), *cases(21)[20:]])
    assert evaluated(bench, changed).uses == (1, 1)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"candidate": "nobody"}, "has no variant 'nobody': expected one of default, worse"),
        ({"champion": "@stage:gold"}, "expected one of shadow, beta, ga"),
        ({"champion": "@nowhere"}, "@nowhere: no branch, tag or commit"),
        ({"candidate": "@stage:ga"}, "serves @stage:ga"),
        ({"input": "golden"}, "expected one split"),
        ({"epochs": 0}, "--epochs is 0"),
        ({"is_gate": True, "limit": 5}, "--gate cannot be combined with --limit"),
        ({"is_gate": True, "input": "golden:dev"}, "--gate cannot be combined with --input golden:dev"),
    ],
)
def test_what_cannot_be_evaluated_is_said_before_anything_is_asked(
    bench: Bench, name: str, model: ModelEndpoint, options: dict[str, Any], said: str
) -> None:
    task = evaluated_task(bench.place, name, cases(20), variants={"worse": 60})

    with pytest.raises(UsageError, match=said.replace("(", r"\(")):
        evaluated(bench, task, **{"champion": "worse", **options})
    assert model.asked == []


def test_records_without_one_in_common_are_not_compared(bench: Bench, name: str) -> None:
    place = bench.place
    task = evaluated_task(place, name, cases(5), variants={"other": 96}, input={
        "record_id": "id", "fields": {"text": "text"}, "expected": {"label": "label"}, "max_rejected": 0.5,
    })  # fmt: skip
    rows = [{**row, "label": "question"} for row in numbered_rows(20)]
    first = evaluated(bench, task, input=place.rows("a.csv", rows))
    second = evaluated(bench, task, candidate="other", input=place.rows("b.csv", rows[:4]))

    assert (first.population, second.candidate.outcomes.records()) == ("input", 4)


def test_a_budget_that_ends_too_early_leaves_no_verdict(bench: Bench, name: str) -> None:
    task = evaluated_task(bench.place, name, cases(40))

    with pytest.raises(UsageError, match="raise --budget"):
        evaluated(bench, task, budget_usd=0.0000001)


def test_unparsable_answers_are_wrong_not_missing(bench: Bench, name: str, model: ModelEndpoint) -> None:
    def sometimes(asked: Asked) -> Reaction:
        return Reaction(text="no idea") if "number 0003" in asked.prompt else obeying(asked)

    model.react = sometimes
    found = evaluated(bench, evaluated_task(bench.place, name, cases(40)))

    measured = found.measured["floor"]
    assert (measured.n, measured.value) == (40, pytest.approx(30 / 40))


def test_what_failed_has_taken_its_time_too(bench: Bench, name: str, model: ModelEndpoint) -> None:
    model.react = lambda asked: Reaction(text="no idea") if "number 0003" in asked.prompt else obeying(asked)
    rules = [{"name": "fast", "type": "latency", "at_least": 0.9}]
    task = evaluated_task(bench.place, name, cases(40), rules=rules, sla={"latency_ms": 60_000})

    assert evaluated(bench, task).measured["fast"].n == 40


def test_a_waiver_that_expired_no_longer_helps(bench: Bench, name: str) -> None:
    waiver = {"rule": "floor", "owner": "tests", "reason": "known", "expires": "2020-01-01"}
    task = evaluated_task(bench.place, name, cases(40), right=10, gate={"rules": [FLOOR], "waivers": [waiver]})

    outcome = evaluated(bench, task).verdict.outcomes[0]

    assert (outcome.state, "expired on 2020-01-01" in outcome.reason) == (RuleState.FAIL, True)
    assert replace(outcome, waiver=None).state is RuleState.FAIL


def test_an_evaluation_runs_through_the_files_that_the_architecture_page_lists(bench: Bench, name: str) -> None:
    task = evaluated_task(bench.place, name, cases(12), variants={"worse": 60})
    entered: set[Path] = set()

    def enter(frame: FrameType, event: str, _: object) -> None:
        if event == "call":
            entered.add(Path(frame.f_code.co_filename))

    sys.setprofile(enter)
    try:
        evaluated(bench, task, candidate="worse", champion="default", is_gate=True)
    finally:
        sys.setprofile(None)

    files = {path.relative_to(ROOT).as_posix() for path in entered if path.is_relative_to(ROOT / PACKAGE)}
    assert files == {step.file for step in listed() if step.function}


def test_rules_on_repeats_need_the_epochs_and_are_decided_on_records(
    bench: Bench, name: str, model: ModelEndpoint
) -> None:
    rules = [
        {"name": "stable", "type": "lower_bound", "metric": "pass_hat_2", "at_least": 0.8},
        {"name": "rarely_flaky", "type": "flaky_share", "at_most": 0.2},
    ]
    task = evaluated_task(bench.place, name, cases(60), right=100, rules=rules)
    seen: Counter[str] = Counter()

    def flaky(call: Asked) -> Reaction:
        """Three records of sixty are wrong at the second of three calls."""
        seen[call.prompt] += 1
        number = int(call.prompt.rsplit(" ", 1)[-1])
        return (
            Reaction(text=json.dumps({"label": WRONG, "note": "n"}))
            if number < 3 and seen[call.prompt] == 2
            else obeying(call)
        )

    model.react = flaky
    once = evaluated(bench, task)
    twice = evaluated(bench, task, epochs=2, reuse="never")

    assert {o.rule.name: (o.state, o.reason) for o in once.verdict.outcomes} == {
        "stable": (RuleState.INCONCLUSIVE, "no record has 2 epochs: evaluate with --epochs 2"),
        "rarely_flaky": (RuleState.INCONCLUSIVE, "no record has 2 epochs: evaluate with --epochs 2"),
    }
    assert {rule: (one.value, one.n) for rule, one in twice.measured.items()} == {
        "stable": (pytest.approx(57 / 60), 60),
        "rarely_flaky": (pytest.approx(3 / 60), 60),
    }
