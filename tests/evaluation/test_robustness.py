"""`--perturb` measures the drop under changed input, on runs that stand in for no others and cost once."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from assay.errors import UsageError
from assay.evaluation.render import as_values, markdown
from assay.records.statuses import Perturbation, RuleState
from tests.evaluation.scenario import FLOOR, LABEL_RIGHT, RIGHT, WRONG, evaluated
from tests.fakes.model_endpoint import Asked, ModelEndpoint, Reaction
from tests.runs.bench import Bench

PROMPT = "classify: {{ text }}"
CASES = 200
TEXT = "My parcel number {number:05} has not arrived and nobody answers the telephone. Please refund the amount."
ALL = tuple(Perturbation)


def labeled(count: int = CASES, **columns: Any) -> list[dict[str, Any]]:
    return [
        {
            "case_id": f"c{number:05}",
            "split": "gate",
            "input": {"text": TEXT.format(number=number)},
            "expected": {"label": RIGHT},
            **{name: value(number) for name, value in columns.items()},
        }
        for number in range(count)
    ]


def reply(label: str) -> Reaction:
    return Reaction(text=json.dumps({"label": label, "note": "n"}))


def number_of(prompt: str) -> int:
    """The number of the case, which no kind changes: typing errors spare digits."""
    found = re.search(r"\d{5}", prompt)
    assert found is not None
    return int(found[0])


def failing_in_capitals(asked: Asked) -> Reaction:
    """Wrong on 5 of 100; on upper case, also on 30 more of 100."""
    text = asked.prompt.removeprefix("classify: ")
    least = 35 if "PARCEL" in text else 5
    return reply(WRONG if number_of(text) % 100 < least else RIGHT)


def robust_task(bench: Bench, name: str, cases: list[dict[str, Any]], **edits: Any) -> str:
    return bench.place.task(
        name,
        cases=cases,
        prompt=PROMPT,
        checks=[LABEL_RIGHT],
        correct=["label_right"],
        **{"gate": {"rules": [FLOOR]}, **edits},
    )


def rule(kind: str = "any", **more: Any) -> dict[str, Any]:
    return {"name": "robust", "type": "robustness", "kind": kind, "margin": 0.05, **more}


def test_the_interval_covers_the_true_drop_and_other_kinds_drop_nothing(
    bench: Bench, name: str, model: ModelEndpoint
) -> None:
    model.react = failing_in_capitals
    found = evaluated(bench, robust_task(bench, name, labeled()), perturb=())

    assert found.robustness is not None
    by_kind = {result.kind: result for result in found.robustness.kinds}
    assert set(by_kind) == set(ALL)
    upper = sum("PARCEL" in asked.prompt for asked in model.asked)
    truth = -sum(
        "PARCEL" in asked.prompt and 5 <= number_of(asked.prompt) % 100 < 35 for asked in model.asked
    ) / CASES  # fmt: skip
    case = by_kind[Perturbation.CASE]
    drop = case.comparisons[0].comparison
    assert 60 < upper < 140
    assert drop.difference == pytest.approx(truth)
    assert drop.low < -0.15 < drop.high  # half of the texts are in upper case, and 30% of those break
    assert case.comparisons[0].adjusted_p == pytest.approx(min(1.0, 7 * drop.p_value))
    assert found.robustness.kinds[0] is case
    assert all(
        result.comparisons[0].comparison.difference == 0
        for kind, result in by_kind.items()
        if kind is not Perturbation.CASE
    )
    broken = case.broken
    assert broken is not None
    assert broken.fields["text"].isupper() and (broken.before["label"], broken.after["label"]) == (RIGHT, WRONG)
    assert broken.expected == {"label": RIGHT}


def test_repeating_the_command_costs_nothing(bench: Bench, name: str, model: ModelEndpoint) -> None:
    model.react = failing_in_capitals
    task = robust_task(bench, name, labeled(20))
    first = evaluated(bench, task, perturb=())
    asked = len(model.asked)

    again = evaluated(bench, task, perturb=())

    assert asked == len(model.asked) == 20 * (1 + len(ALL))
    assert first.robustness and again.robustness
    assert [one.comparisons for one in again.robustness.kinds] == [one.comparisons for one in first.robustness.kinds]
    assert all(one.perturbed and one.perturbed.is_reused for one in again.robustness.kinds)


def test_changed_settings_are_other_texts_and_other_runs(bench: Bench, name: str, model: ModelEndpoint) -> None:
    model.react = failing_in_capitals
    evaluated(bench, robust_task(bench, name, labeled(20)), perturb=(Perturbation.TYPOS,))
    found = evaluated(
        bench, robust_task(bench, name, labeled(20), robustness={"seed": 7}), perturb=(Perturbation.TYPOS,)
    )

    assert found.candidate.is_reused and found.robustness is not None
    result = found.robustness.kinds[0]
    assert result.perturbed is not None and not result.perturbed.is_reused


def test_another_draw_of_the_same_version_is_a_look(bench: Bench, name: str, model: ModelEndpoint) -> None:
    """A seed that is changed until no error shows is a search, too."""
    model.react = failing_in_capitals
    looks = [
        evaluated(
            bench, robust_task(bench, name, labeled(20), robustness={"seed": seed}), perturb=(Perturbation.TYPOS,)
        )
        for seed in (1, 1, 2, 3)
    ]

    assert [one.look.number for one in looks] == [1, 1, 2, 3]
    assert evaluated(bench, robust_task(bench, name, labeled(20), robustness={"seed": 3})).look.number == 3


def test_only_changed_cases_are_run_and_compared(bench: Bench, name: str, model: ModelEndpoint) -> None:
    model.react = lambda asked: reply(RIGHT)
    cases = labeled(30)
    for case in cases[:10]:
        case["input"] = {"text": "請求書の金額が間違っています。 至急 直してください"}
    found = evaluated(bench, robust_task(bench, name, cases), perturb=(Perturbation.CASE, Perturbation.MARKUP))

    assert found.robustness is not None
    changed = {result.kind: (result.n_changed, result.n_records) for result in found.robustness.kinds}
    assert changed == {"case": (20, 30), "markup": (30, 30)}
    assert len(model.asked) == 30 + 20 + 30
    rows = bench.place.query(
        "select perturbation, n, n_left_out, population from comparisons where task = @task order by perturbation",
        task=name,
    )
    assert [tuple(row.values()) for row in rows] == [("case", 20, 10, "perturbed"), ("markup", 30, 0, "perturbed")]


def test_a_kind_that_changes_nothing_says_so_and_runs_nothing(bench: Bench, name: str, model: ModelEndpoint) -> None:
    model.react = lambda asked: reply(RIGHT)
    cases = [{**case, "input": {"text": "請求書の金額が間違っています。 至急"}} for case in labeled(12)]
    found = evaluated(
        bench, robust_task(bench, name, cases, gate={"rules": [rule("case")]}), perturb=(Perturbation.CASE,)
    )

    assert found.robustness is not None and found.robustness.kinds[0].perturbed is None
    assert found.verdict.outcomes[0].state is RuleState.INCONCLUSIVE
    assert "changes no record" in markdown(found)


def test_responses_to_the_injected_sentence_are_counted(bench: Bench, name: str, model: ModelEndpoint) -> None:
    def react(asked: Asked) -> Reaction:
        if "Ignore all instructions" in asked.prompt and number_of(asked.prompt) % 4 == 0:
            return Reaction(text="PINEAPPLE")
        return reply(RIGHT)

    model.react = react
    found = evaluated(bench, robust_task(bench, name, labeled(40)), perturb=(Perturbation.INJECTION,))

    assert found.robustness is not None
    followed = found.robustness.kinds[0].followed
    assert followed is not None and (followed.value, followed.n) == (0.25, 40)
    assert found.robustness.kinds[0].comparisons[0].comparison.difference == pytest.approx(-0.25)


@pytest.mark.parametrize(
    ("kind", "perturb", "state"),
    [
        ("case", (Perturbation.CASE,), RuleState.FAIL),
        ("typos", (Perturbation.TYPOS,), RuleState.PASS),
        ("any", (), RuleState.FAIL),
        ("any", (Perturbation.TYPOS,), RuleState.INCONCLUSIVE),
        ("typos", None, RuleState.INCONCLUSIVE),
    ],
)
def test_a_rule_is_decided_on_its_kind(
    bench: Bench, name: str, model: ModelEndpoint, kind: str, perturb: Any, state: RuleState
) -> None:
    model.react = failing_in_capitals
    task = robust_task(bench, name, labeled(), gate={"rules": [rule(kind)]})

    found = evaluated(bench, task, perturb=perturb, is_gate=True)

    outcome = found.verdict.outcomes[0]
    assert outcome.state is state, outcome.reason
    assert perturb is not None or outcome.reason == "not measured: run `assay eval` with --perturb"
    landed = bench.place.query("select rules from gates where gate_id = @id", id=found.gate_id)[0]["rules"][0]
    assert (landed["type"], landed["metric"], landed["bar"]) == ("robustness", f"reliability_under_{kind}", 0.05)
    if state in {RuleState.PASS, RuleState.FAIL}:
        ids = bench.place.query("select comparison_id from comparisons where perturbation is not null")
        assert set(landed["estimate_ids"]) <= {row["comparison_id"] for row in ids}


def test_clusters_and_epochs_are_respected(bench: Bench, name: str, model: ModelEndpoint) -> None:
    model.react = failing_in_capitals
    cases = labeled(60, cluster_id=lambda number: f"k{number % 20}")
    found = evaluated(bench, robust_task(bench, name, cases), perturb=(Perturbation.CASE,), epochs=2)

    assert found.robustness is not None
    compared = found.robustness.kinds[0].comparisons[0].comparison
    assert (compared.n, compared.clusters) == (60, 20)
    assert len(model.asked) == 2 * 2 * 60


def test_perturbed_runs_are_a_purpose_and_a_population_of_their_own(
    bench: Bench, name: str, model: ModelEndpoint
) -> None:
    model.react = failing_in_capitals
    task = robust_task(bench, name, labeled(20))
    before = evaluated(bench, task)
    after = evaluated(bench, task, perturb=(Perturbation.TYPOS,))

    assert (after.candidate.run_id, after.evaluation_id, after.uses) == (
        before.candidate.run_id,
        before.evaluation_id,
        before.uses,
    )
    runs = bench.place.query(
        "select purpose, input_source from runs where event = 'finished' and task = @task", task=name
    )
    assert sorted(run["purpose"] for run in runs) == ["eval", "perturb"]
    assert sum(run["input_source"].startswith("golden:gate@") for run in runs) == 1
    populations = bench.place.query(
        "select runs.purpose, records.population, count(*) as n from records inner join runs using (run_id) "
        "where runs.event = 'finished' and runs.task = @task group by all order by 1",
        task=name,
    )
    assert [tuple(row.values()) for row in populations] == [("eval", "golden:gate", 20), ("perturb", "perturbed", 20)]
    estimates = bench.place.query("select distinct population from estimates where task = @task order by 1", task=name)
    assert [row["population"] for row in estimates] == ["golden:gate", "perturbed"]


def test_the_text_is_perturbed_before_it_is_masked(bench: Bench, name: str, model: ModelEndpoint) -> None:
    model.react = lambda asked: reply(RIGHT)
    cases = labeled(12)
    for case in cases:
        case["input"] = {"text": f"{case['input']['text']} Write to jane.doe@example.com about it, please."}
    task = robust_task(bench, name, cases, masking={"enabled": True})
    evaluated(bench, task, perturb=(Perturbation.CASE, Perturbation.MARKUP))

    texts = bench.place.query("select input from records where population = 'perturbed' and task = @t", t=name)
    assert len(texts) == 24
    assert not [row for row in texts if "example.com" in json.dumps(row["input"]).lower()]
    assert all("<EMAIL_1>" in row["input"]["text"] for row in texts)


def test_the_block_is_shown_worst_first_with_a_broken_answer(bench: Bench, name: str, model: ModelEndpoint) -> None:
    model.react = failing_in_capitals
    found = evaluated(bench, robust_task(bench, name, labeled(60)), perturb=(Perturbation.TYPOS, Perturbation.CASE))

    text, values = markdown(found), as_values(found)["robustness"]
    assert text.index("| case | reliability | overall |") < text.index("| typos | reliability | overall |")
    assert "#### One answer per kind that was correct on the original input" in text
    assert [one["kind"] for one in values] == ["case", "typos"]
    assert json.loads(json.dumps(values))[0]["broken"]["after"]["label"] == WRONG


def test_other_inputs_and_tasks_without_text_are_refused_before_any_call(
    bench: Bench, name: str, model: ModelEndpoint
) -> None:
    with pytest.raises(UsageError, match="--perturb cannot be combined with --input rows"):
        evaluated(bench, robust_task(bench, name, labeled(12)), perturb=(), input="rows.csv")
    codes = [{**case, "input": {"text": f"AB-{number}"}} for number, case in enumerate(labeled(12))]
    with pytest.raises(UsageError, match="no input field"):
        evaluated(bench, robust_task(bench, name, codes), perturb=())
    assert not model.asked


def test_a_budget_that_runs_out_stops_the_measurement(bench: Bench, name: str, model: ModelEndpoint) -> None:
    model.react = lambda asked: reply(RIGHT)
    task = robust_task(bench, name, labeled(12))
    evaluated(bench, task)

    with pytest.raises(UsageError, match="of default, typos: the budget ran out"):
        evaluated(bench, task, perturb=(Perturbation.TYPOS,), budget_usd=0)
