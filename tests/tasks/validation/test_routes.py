"""Rules of routes in task.yml: issues with their line, and which hash each rule moves."""

from __future__ import annotations

import pytest

from tests.fakes.task_folder import TaskFolder

MODEL = "    model: gpt-5-nano\n"
SECOND = "  - name: second\n    provider: dear\n    model: gpt-5\n"
LINE = 26
"""Of what is put under the first route's model."""


def add(folder: TaskFolder, rules: str, *, second: bool = True) -> None:
    folder.edit(MODEL, MODEL + rules + (SECOND if second else ""))


@pytest.mark.parametrize(
    "rules",
    [
        "    when: {message: {longer_than: 400, contains: refund}}\n",
        "    when: {message: {one_of: [a, b]}}\n    escalate: {on_invalid: false}\n",
        "    escalate: {checks: [mine]}\n",
        "    escalate: {confidence: {from: logprob, below: 0.8}}\n",
    ],
)
def test_right_rules_load(folder: TaskFolder, rules: str) -> None:
    add(folder, rules)

    assert folder.issues() == []


@pytest.mark.parametrize(
    ("rules", "expected", "found"),
    [
        ("    when: {massage: {equals: x}}\n", "a field of the input (message)", "'massage'"),
        ("    when: {message: {}}\n", "at least one of equals, one_of", ""),
        ("    when: {message: {longer: 3}}\n", "`routes.0.when.message.longer` is not a known key", ""),
        ("    when: {message: {longer_than: -1}}\n", "greater than or equal to 0", "-1"),
        ("    when: {message: {one_of: []}}\n", "at least 1 item", "[]"),
        ("    when: {message: {matches: '(?=a)'}}\n", "invalid regular expression (RE2 syntax)", "'(?=a)'"),
        (f"    when: {{message: {{matches: '{'a' * 501}'}}}}\n", "at most 500 characters", "aaa"),
        ("    escalate: {checks: [minne]}\n", "a check of the task that needs no expected value (mine)", "'minne'"),
        ("    escalate: {checks: [label_right]}\n", "a check of the task that needs no expected value (mine)", "which needs an expected value"),
        ("    escalate: {confidence: {from: sure, below: 0.8}}\n", "logprob or a field of Answer (label)", "'sure'"),
        ("    escalate: {confidence: {from: label, below: 0.8}}\n", "whose value is a number from 0 to 1", "'label'"),
        ("    escalate: {confidence: {from: logprob, below: 80}}\n", "less than or equal to 1", "80"),
        ("    escalate: {confidence: {source: logprob, below: 0.8}}\n", "`routes.0.escalate.confidence.from` is missing", "add it"),
    ],
)  # fmt: skip
def test_an_issue_in_a_rule_names_line_expected_and_found(
    folder: TaskFolder, rules: str, expected: str, found: str
) -> None:
    add(folder, rules)

    issues = folder.issues()

    assert {issue.line for issue in issues} == {LINE}
    assert any(
        expected in f"{issue.problem}{issue.expected}" and found in f"{issue.found}; {issue.next_step}"
        for issue in issues
    ), issues


def test_a_record_must_have_a_route(folder: TaskFolder) -> None:
    add(folder, "    when: {message: {equals: x}}\n", second=False)

    [issue] = folder.issues()
    assert "one route without `when`" in issue.expected


def test_an_issue_in_the_routes_of_a_variant_is_found_there(folder: TaskFolder) -> None:
    folder.edit(
        "  warm:\n",
        "  ruled:\n    routes:\n      - {name: a, provider: cheap, model: m, escalate: {checks: [nothing]}}\n  warm:\n",
    )

    [issue] = folder.issues()
    assert (issue.line, issue.found) == (42, "'nothing'")


@pytest.mark.parametrize(
    ("rules", "moved"),
    [
        ("    when: {message: {longer_than: 400}}\n", {"policy"}),
        ("    escalate: {on_invalid: false}\n", {"policy"}),
        ("    escalate: {checks: [mine]}\n", {"policy"}),
        ("    escalate: {confidence: {from: logprob, below: 0.8}}\n", {"policy", "inference"}),
        ("    escalate: {on_invalid: true, checks: []}\n", set()),
    ],
)
def test_a_rule_moves_the_policy_and_what_the_wire_carries_the_inference_hash(
    folder: TaskFolder, rules: str, moved: set[str]
) -> None:
    add(folder, "")
    before = folder.load().versions
    folder.edit(MODEL, MODEL + rules)
    after = folder.load().versions

    assert {name for name in ("inference", "policy", "golden_set", "scorers") if getattr(before, name) != getattr(after, name)} == moved  # fmt: skip


def test_another_threshold_asks_the_same_question(folder: TaskFolder) -> None:
    add(folder, "    escalate: {confidence: {from: logprob, below: 0.8}}\n")
    before = folder.load().versions
    folder.edit("below: 0.8", "below: 0.9")
    after = folder.load().versions

    assert (before.inference == after.inference, before.policy == after.policy) == (True, False)


def test_rules_survive_a_variant_that_changes_something_else(folder: TaskFolder) -> None:
    add(folder, "    escalate: {confidence: {from: logprob, below: 0.8}}\n")

    assert folder.load("warm").spec.routes == folder.load().spec.routes


@pytest.mark.parametrize(
    ("parameters", "rules", "beside"),
    [
        ("max_completion_tokens: 60", "", "max_completion_tokens"),
        ("max_tokens: 60", "    escalate: {confidence: {from: logprob, below: 0.8}}\n", "logprobs"),
    ],
)
def test_a_predicted_output_beside_what_providers_do_not_take_with_it_is_an_issue(
    folder: TaskFolder, parameters: str, rules: str, beside: str
) -> None:
    folder.edit("  user: user.j2\n", "  user: user.j2\n  prediction: expected.j2\n")
    folder.write("expected.j2", "{}")
    folder.edit("  max_tokens: 60\n", f"  {parameters}\n")
    add(folder, rules, second=bool(rules))

    assert any(f"`prompts.prediction` with {beside}" in issue.expected for issue in folder.issues())
