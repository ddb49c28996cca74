"""`assay power`: records and assumptions are found where they are, and what contradicts itself is said."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
from scipy import stats

from assay.errors import ServiceUnreachable, UsageError
from assay.evaluation.power.plan_gate import GatePlan, PowerOptions, plan_gate
from assay.evaluation.power.render import PLAIN_COLUMNS, facts, tables
from assay.project import open_project
from assay.settings import Settings
from tests.end_to_end.workplace import Workplace
from tests.evaluation.scenario import FLOOR, NOT_WORSE, cases, evaluated, evaluated_task, obeying
from tests.fakes.model_endpoint import ModelEndpoint, Reaction
from tests.fakes.task_folder import TaskFolder
from tests.runs.bench import Bench
from tests.scoring.judges.scenario import SAFE

IN_SLICE = {**NOT_WORSE, "name": "phones", "slice": "channel=phone", "n_min": 50}


def planned(bench: Bench, task: str, **options: Any) -> GatePlan:
    return plan_gate(bench.project, task, PowerOptions(**options))


def by_channel(number: int) -> dict[str, str]:
    return {"channel": "phone" if number % 4 == 0 else "web"}


def test_a_rule_has_the_cases_of_its_slice_and_what_was_never_compared_is_assumed(bench: Bench, name: str) -> None:
    labelled = [*cases(80, slices=by_channel), {**cases(81, split="dev")[80]}]
    task = evaluated_task(bench.place, name, labelled, rules=[FLOOR, NOT_WORSE, IN_SLICE])

    found = planned(bench, task)

    assert [(one.rule.name, one.sample.n, one.is_gated) for one in found.regressions] == [
        ("not_worse", 80, True),
        ("phones", 20, False),
    ]
    assert [(one.discordance.value, one.discordance.source) for one in found.regressions] == [(0.1, "assumed")] * 2
    assert [(one.sample.n, one.rate, one.passing) for one in found.rates] == [(80, None, None)]


def test_what_was_compared_and_measured_before_is_planned_with(bench: Bench, name: str, model: ModelEndpoint) -> None:
    model.react = obeying
    task = evaluated_task(bench.place, name, cases(100), right=95, variants={"worse": 75})
    evaluated(bench, task, candidate="worse", champion="default")

    found = planned(bench, task, difference=-0.5)

    assert planned(bench, task).regressions[0].discordance.value == 0.2
    assert (found.rates[0].rate and found.rates[0].rate.value) == 0.75
    raised = found.regressions[0].discordance
    assert (raised.value, raised.source) == (0.5, "landed")
    assert raised.detail.startswith("worse and default differed on 20 of 100")
    assert raised.detail.endswith("raised to --difference")


def test_cases_of_a_cluster_are_planned_as_such(bench: Bench, name: str) -> None:
    task = evaluated_task(bench.place, name, cases(60, cluster_id=lambda number: f"customer {number // 3}"))

    assert planned(bench, task).regressions[0].sample.clusters == 20
    assert planned(bench, task, clusters=10).regressions[0].sample.clusters == 10
    assert planned(bench, task, n=60).regressions[0].sample.clusters is None


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"discordance": 0.1, "difference": -0.2}, "--difference -0.2 and --discordance 0.1: the difference cannot"),
        ({"n": 10, "clusters": 11}, "--clusters 11 and --n 10"),
        ({"clusters": 11}, "Rule 'not_worse' (records: 10, clusters: 11"),
        ({"n": 1, "design_effect": 2.0}, "Rule 'not_worse' has too few records (1"),
    ],
)
def test_figures_that_contradict_each_other_are_said(
    bench: Bench, name: str, options: dict[str, Any], said: str
) -> None:
    task = evaluated_task(bench.place, name, cases(10))

    with pytest.raises(UsageError, match=said.replace("(", r"\(")):
        planned(bench, task, **{"discordance": 0.1, **options})


def test_without_a_warehouse_a_given_discordance_is_enough(tmp_path: Path) -> None:
    nowhere = {"bigquery_endpoint": "http://127.0.0.1:9", "bigquery_grpc_endpoint": "127.0.0.1:9"}
    project = open_project(Settings(root=TaskFolder(tmp_path).root, hash_key=b"k" * 32, **nowhere))

    found = plan_gate(project, "sorting", PowerOptions(discordance=0.1))

    assert [one.rule.name for one in found.regressions] == ["no_regression"]
    assert "the warehouse does not respond: pass --rate for rules on a rate" in list(facts(found))
    assert plan_gate(project, "sorting", PowerOptions(discordance=0.1, rate=0.9)).rates[0].passing is not None
    with pytest.raises(ServiceUnreachable):
        plan_gate(project, "sorting", PowerOptions())


def test_tables_say_what_a_rule_asks_and_how_likely_each_verdict_is(bench: Bench, name: str) -> None:
    task = evaluated_task(bench.place, name, cases(80, slices=by_channel), rules=[FLOOR, NOT_WORSE, IN_SLICE])
    plan = planned(bench, task, difference=-0.1, rate=0.9)
    shown = {title: (columns, rows) for title, columns, rows in tables(plan)}

    columns, rows = shown["Candidate against champion; probability of PASS / FAIL / INCONCLUSIVE in percent"]
    assert columns[-1] == "if -10 points"
    assert rows[1][:4] == ("phones", "3 points", "20", "10.0% assumed")
    assert shown["Rate of the candidate"][1][0][:4] == ("floor", "80.0%", "80", "90.0% given")
    assert (
        "phones, reliability in channel=phone: 10.0% differ, assumed, because no comparison has landed yet; "
        "20 records are fewer than n_min 50, so the rule is only reported"
    ) in list(facts(plan))


WORDS = {"name": "words", "type": "custom", "function": "checks.py:words", "gives": "number"}
ON_MEANS = [
    {"name": "short", "type": "mean", "metric": "words", "at_most": 12},
    {"name": "not_longer", "type": "no_regression", "metric": "words", "margin": 1.0, "higher_is_better": False},
]


def with_words(bench: Bench, name: str, rules: list[dict[str, Any]], **edits: Any) -> str:
    bench.place.write(f"tasks/{name}/checks.py", "def words(item):\n    return len(item.output['note'].split())\n")
    return evaluated_task(bench.place, name, cases(80), rules=rules, more_checks=[WORDS], **edits)


def test_rules_on_means_are_planned_with_a_given_or_landed_standard_deviation(
    bench: Bench, name: str, model: ModelEndpoint
) -> None:
    model.react = lambda asked: Reaction(text=json.dumps({"label": "question", "note": "w " * (8 + len(asked.prompt) % 2 + int(asked.prompt[-1]) % 5)}))  # fmt: skip
    task = with_words(bench, name, ON_MEANS)

    nothing, given = planned(bench, task), planned(bench, task, mean=11.0, sd=4.0)
    evaluated(bench, task, candidate="default")
    (landed,) = planned(bench, task).means

    assert nothing.means == () and [note for note in nothing.notes if "pass --sd" in note] == list(nothing.notes)
    assert [one.rule.name for one in given.means] == ["short", "not_longer"]
    error = 0.0475 * 0.5
    expected = [stats.nct.sf(stats.t.ppf(1 - error, 79), 79, distance / (4 / 80**0.5)) for distance in (1.0, 1.0)]
    assert [one.passing for one in given.means] == pytest.approx(expected)
    row = bench.place.query(
        "select value, details from estimates where task = @t and metric = 'mean' and slice = 'overall' and details is not null",
        t=task,
    )[0]
    assert (landed.mean and landed.mean.value, landed.sd.value) == (row["value"], row["details"]["sd"])
    assert [title for title, _, _ in tables(given)] == ["Mean of a scorer, in its unit"]
    assert (landed.is_resampled, given.means[0].is_resampled) == (True, False)
    assert any("drawn from the scores of that run" in line for line in facts(planned(bench, task)))
    assert sum("assumed to be normal" in line for line in facts(given)) == 2
    shifted = planned(bench, task, mean=13.0).means[0]
    assert (shifted.passing, shifted.to_pass, landed.passing) == (0, None, 1)


def test_each_rule_without_a_plan_has_its_reason(bench: Bench, name: str) -> None:
    rules = [
        {"name": "calibrated", "type": "judge_calibrated", "judge": "safe", "kappa": 0.6, "labels": 100},
        {"name": "enough", "type": "golden_cases", "at_least": 10},
        {"name": "steady", "type": "flaky_share", "at_most": 0.1},
        {"name": "robust", "type": "robustness", "margin": 0.1},
        {"name": "cheap", "type": "cost_per_correct", "at_most_usd": 0.1},
        {"name": "really_safe", "type": "lower_bound", "metric": "corrected_safe", "at_least": 0.9},
        {"name": "not_less_safe", "type": "no_regression", "metric": "corrected_safe", "margin": 0.1},
        {"name": "recalled", "type": "lower_bound", "metric": "macro_f1", "scorer": "label_right", "at_least": 0.8},
        {"name": "twice", "type": "lower_bound", "metric": "pass_hat_2", "at_least": 0.8},
        *ON_MEANS,
    ]
    found = planned(bench, with_words(bench, name, rules, judges=[SAFE]), rate=0.9)

    assert [one.rule.name for one in found.rates] == ["twice"] and found.rates[0].passing is not None
    assert any(line.endswith("as given; needs --epochs 2") for line in facts(found))
    unplanned = [rule["name"] for rule in rules if rule["name"] != "twice"]
    assert [note.split(" ")[0] for note in found.notes] == unplanned
    assert all(" is not planned: " in note for note in found.notes)


@pytest.mark.parametrize(
    ("looks", "look", "said"),
    [
        (None, 1, "planned for look 1 at the gate cases: a rule passes at p ≤ 4.75%; look 2 passes at p ≤ 0.125%"),
        (2, 1, "planned for look 1 at the gate cases: a rule passes at p ≤ 2.5%, as does each of the 2 looks"),
        (2, 2, "planned for look 2 at the gate cases: a rule passes at p ≤ 2.5%; it is the last of the 2 looks"),
    ],
)
def test_the_look_of_a_plan_and_what_a_later_one_needs_are_said(
    bench: Bench, name: str, looks: int | None, look: int, said: str
) -> None:
    gate = {"rules": [NOT_WORSE], **({"looks": looks} if looks else {})}
    task = evaluated_task(bench.place, name, cases(80), gate=gate)

    assert any(line.startswith(said) for line in facts(planned(bench, task, look=look)))


def test_machines_get_a_row_for_each_rule(place: Workplace, name: str) -> None:
    task = evaluated_task(place, name, cases(80))
    options = ("power", task, "--discordance", "0.1", "--difference", "-0.08", "--rate", "0.9", "--format")

    as_json = place.command(*options, "json", timeout_s=60)
    as_csv = place.command(*options, "csv", timeout_s=60)

    rows = json.loads(as_json.stdout)
    assert [row["rule"] for row in rows] == ["not_worse", "floor"]
    assert rows[0]["passing"] + rows[0]["failing"] + rows[0]["inconclusive"] == pytest.approx(1)
    assert rows[0]["failing_at_difference"] > rows[0]["failing"]
    assert tuple(next(csv.reader(io.StringIO(as_csv.stdout)))) == PLAIN_COLUMNS


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--discordance", "1.5"), "Invalid value for '--discordance': 1.5"),
        (("--n", "0"), "Invalid value for '--n': 0"),
        (("--design-effect", "0.5"), "Invalid value for '--design-effect': 0.5"),
        (("--discordance", "0.1", "--difference", "-0.2"), "lower --difference"),
    ],
)
def test_a_figure_out_of_its_range_exits_3(place: Workplace, name: str, arguments: tuple[str, ...], said: str) -> None:
    done = place.command("power", evaluated_task(place, name, cases(10)), *arguments, timeout_s=60)

    assert done.returncode == 3
    assert said in done.stderr
    assert "Traceback" not in done.stderr
