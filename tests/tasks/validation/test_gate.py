"""The gate in task.yml: what is wrong with one is said with its line; a task without one has the gate of its thresholds."""

from __future__ import annotations

import pytest

from assay.statistics.conventions import DEFAULT_MARGIN
from assay.tasks.gate_spec import CostRule, LatencyRule, LowerBoundRule, NoRegressionRule
from assay.tasks.validation.gate import gate_of
from tests.fakes.task_folder import TaskFolder, case

GATE = "gate:\n  rules:\n"
FLOOR = "    - name: floor\n      type: lower_bound\n      at_least: 0.8\n"
NOT_WORSE = "    - name: not_worse\n      type: no_regression\n      margin: 0.05\n"
MEAN = "    - name: short\n      type: mean\n      at_least: 5\n"
LATENCY = "    - name: fast\n      type: latency\n"
COST = "    - name: cheap\n      type: cost_per_correct\n      at_most_usd: 0.01\n"
CALIBRATED = (
    "    - name: trusted\n      type: judge_calibrated\n      judge: safe\n      kappa: 0.6\n      labels: 100\n"
)
ROBUST = "    - name: robust\n      type: robustness\n      margin: 0.1\n"
CASES = "    - name: enough\n      type: golden_cases\n      at_least: 100\n"
WAIVER = "  waivers:\n    - {rule: floor, owner: ana, reason: known, expires: 2026-01-31}\n"
JUDGE = (
    "judges:\n  - name: safe\n    rubric: safety\n    routes: [{name: one, provider: cheap, model: gpt-5-nano}]\n"
    "correct: [label_right]\n"
)


def with_gate(folder: TaskFolder, gate: str) -> int:
    """The folder has the gate and two slices of gate cases; returns the line of `gate:`."""
    folder.write_cases(
        case("dev-1", "dev", slices={"kind": "shown"}),
        case("gate-1", slices={"kind": "plain"}),
        case("gate-2", slices={"kind": "odd"}),
    )
    start = folder.path.joinpath("task.yml").read_text().splitlines().index("thresholds:") + 1
    folder.edit("thresholds:\n", f"{gate}thresholds:\n")
    return start


def test_a_gate_with_every_kind_of_rule_is_read_in_its_order(folder: TaskFolder) -> None:
    folder.edit("correct: [label_right]\n", JUDGE)
    folder.edit("schedule:\n", "sla: {latency_ms: 1000}\nschedule:\n")
    with_gate(folder, GATE + FLOOR + NOT_WORSE + LATENCY + COST + CALIBRATED + CASES + WAIVER)

    gate = folder.load().spec.gate

    assert gate is not None
    assert [rule.name for rule in gate.rules] == ["floor", "not_worse", "fast", "cheap", "trusted", "enough"]
    assert (gate.waivers[0].rule, gate.waivers[0].expires.isoformat()) == ("floor", "2026-01-31")


@pytest.mark.parametrize(
    ("gate", "line", "expected", "found"),
    [
        (FLOOR + "      metric: recall\n", 5, "the check that compares the classes (label_right, mine)", "no `scorer`"),
        (FLOOR + "      metric: recall\n      scorer: label_right\n", 5, "`label`, the class that the recall is of", "'recall'"),
        (FLOOR + "      metric: macro_f1\n      scorer: label_right\n      label: a\n", 7, "no `label`: an average", "'a'"),
        (FLOOR + "      metric: reliability\n      scorer: mine\n", 5, "a metric of classes (precision, recall", "'reliability'"),
        (MEAN + "      metric: label_right\n", 5, "a scorer that gives a number: a custom check with `gives: number`", "'label_right'"),
        (MEAN + "      metric: mine\n", 5, "`gives: number` on the check 'mine'", "a custom check without `gives`"),
        (MEAN + "      metric: mine\n      at_most: 3\n", 3, "exactly one of `at_least` and `at_most`", ""),
        (NOT_WORSE.replace("0.05", "5"), 4, "a margin below 1, because the metric is a rate", ""),
        (FLOOR + "      metric: label_rigth\n", 5, "one of reliability, label_right, mine", "'label_rigth'"),
        (NOT_WORSE + "      metric: safe\n", 5, "one of reliability, label_right, mine", "'safe'"),
        (ROBUST + "      metric: label_rigth\n", 5, "one of reliability, label_right, mine", "'label_rigth'"),
        (ROBUST + "      kind: typo\n", 5, "`gate.rules.0.kind` must be 'typos', 'case'", "'typo'"),
        (FLOOR + "      slice: kind=rare\n", 5, "overall, or a slice of gate cases (kind=odd, kind=plain)", "'kind=rare'"),
        (FLOOR + "      slice: kind=shown\n", 5, "overall, or a slice of gate cases", "'kind=shown'"),
        (FLOOR + "      slice: rare\n", 5, "`gate.rules.0.slice`: ", "'rare'"),
        (CASES + "      covering: [kind=odd, kind=rare]\n", 5, "slices of gate cases (kind=odd, kind=plain)", "'kind=rare'"),
        (LATENCY, 3, "`sla` in task.yml", "a latency rule without it"),
        (CALIBRATED, 4, "a judge of the task (none declared)", "'safe'"),
        (FLOOR + WAIVER.replace("floor", "flor"), 6, "the name of a rule (floor)", "'flor'"),
        (FLOOR + FLOOR, 5, "duplicate rule name: 'floor'", ""),
        (FLOOR.replace("0.8", "80"), 4, "less than or equal to 1", "80"),
        (NOT_WORSE.replace("0.05", "0"), 4, "greater than 0", "0"),
        (NOT_WORSE + "      n_min: 0\n", 5, "greater than or equal to 1", "0"),
        (COST.replace("0.01", "-1"), 4, "greater than 0", "-1"),
        (CALIBRATED.replace("0.6", "1"), 5, "less than 1", "1"),
        (FLOOR + "      at_most: 1\n", 5, "at_most` is not a known key", ""),
        (FLOOR.replace("lower_bound", "lower"), 3, "'lower_bound', 'no_regression'", ""),
        (FLOOR + WAIVER.replace(", expires: 2026-01-31", ""), 6, "`gate.waivers.0.expires` is missing", "add it"),
        (FLOOR + WAIVER.replace("2026-01-31", "soon"), 6, "date", "'soon'"),
        (FLOOR + "  on_inconclusive: {beta: stop}\n", 5, "'block' or 'warn'", "'stop'"),
        (FLOOR + "  on_inconclusive: {live: warn}\n", 5, "'shadow', 'beta' or 'ga'", "'live'"),
    ],
)  # fmt: skip
def test_an_issue_in_a_gate_names_file_line_expected_and_found(
    folder: TaskFolder, gate: str, line: int, expected: str, found: str
) -> None:
    start = with_gate(folder, GATE + gate)

    issues = folder.issues()

    assert [(issue.file, issue.line - start) for issue in issues] == [("tasks/sorting/task.yml", line)]
    assert expected in f"{issues[0].problem}{issues[0].expected}"
    assert found in f"{issues[0].found}; {issues[0].next_step}"


@pytest.mark.parametrize("rule", [FLOOR, NOT_WORSE, ROBUST])
def test_a_rule_on_a_rate_rejects_a_scorer_that_gives_a_number(folder: TaskFolder, rule: str) -> None:
    folder.edit("    function: checks.py:is_short\n", "    function: checks.py:is_short\n    gives: number\n")
    start = with_gate(folder, GATE + rule + "      metric: mine\n")

    found = [(issue.line - start, issue.expected, issue.found) for issue in folder.issues()]

    assert [(line, wanted.startswith("a scorer that passes or fails")) for line, wanted, _ in found] == [(5, True)]
    assert found[0][2] == "'mine', which gives a number"


def test_a_rule_on_a_mean_accepts_the_number_that_a_check_states(folder: TaskFolder) -> None:
    folder.edit("    function: checks.py:is_short\n", "    function: checks.py:is_short\n    gives: number\n")
    with_gate(folder, GATE + MEAN + "      metric: mine\n")

    assert folder.load().result_kinds == {"label_right": "pass", "mine": "number"}


def test_without_correct_no_rule_can_speak_of_correct_answers(folder: TaskFolder) -> None:
    start = with_gate(folder, GATE + FLOOR + COST)
    folder.edit("correct: [label_right]\n", "")
    folder.edit("thresholds:\n  reliability: 0.8\n", "")

    found = [(issue.line - start, issue.expected) for issue in folder.issues()]

    assert found == [
        (1, "one of label_right, mine"),
        (5, "`correct` in task.yml, which defines a correct prediction"),
    ]


def test_a_task_without_a_gate_has_that_of_its_thresholds_and_sla(folder: TaskFolder) -> None:
    folder.edit("reliability: 0.8\n", "reliability: 0.8\n  cost_per_correct_usd: 0.01\n")
    folder.edit("schedule:\n", "sla: {latency_ms: 1000}\nschedule:\n")

    rules = gate_of(folder.load().spec).rules

    assert [type(rule) for rule in rules] == [LowerBoundRule, NoRegressionRule, CostRule, LatencyRule]
    assert (getattr(rules[0], "at_least", None), getattr(rules[1], "margin", None)) == (0.8, DEFAULT_MARGIN)


def test_an_inconclusive_gate_warns_in_shadow_and_blocks_elsewhere_unless_it_is_said(folder: TaskFolder) -> None:
    with_gate(folder, GATE + FLOOR + "  on_inconclusive: {beta: warn}\n")

    gate = gate_of(folder.load().spec)

    assert [gate.inconclusive_at(stage) for stage in ("shadow", "beta", "ga")] == ["warn", "warn", "block"]


def test_a_gate_is_policy_and_changes_nothing_else(folder: TaskFolder) -> None:
    folder.write_cases(case("dev-1", "dev", slices={"kind": "shown"}), case("gate-1", slices={"kind": "plain"}), case("gate-2", slices={"kind": "odd"}))  # fmt: skip
    before = folder.load().versions
    with_gate(folder, GATE + FLOOR)

    after = folder.load().versions

    assert after.policy != before.policy
    assert (after.inference, after.golden_set, after.scorers) == (before.inference, before.golden_set, before.scorers)


def test_a_rule_needs_a_kind_that_the_task_measures(folder: TaskFolder) -> None:
    folder.edit("thresholds:\n", "robustness: {kinds: [typos, markup], fields: [txt]}\nthresholds:\n")
    with_gate(folder, GATE + ROBUST + "      kind: case\n")

    issues = [str(issue) for issue in folder.issues()]

    assert any("any, typos, markup (the kinds of `robustness`)" in issue and "'case'" in issue for issue in issues), (
        issues
    )
    assert any("a field of `input.fields`" in issue and "txt" in issue for issue in issues), issues
