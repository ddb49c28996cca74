"""Judges in task.yml: what is wrong with one is said with its line, and what it says compares only under one version."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from assay.tasks.issues import ValidationIssue
from tests.fakes.task_folder import TaskFolder

RUBRIC = """\
criterion: Brevity
question: Is the answer short?
levels:
  1: Long.
  2: Short.
"""
ROUTES = "    routes: [{name: one, provider: cheap, model: gpt-5-nano}]\n"
JUDGE = "judges:\n  - name: safe\n    rubric: safety\n" + ROUTES
BRIEF = "judges:\n  - name: brief\n    rubric: rubrics/brief.yml\n    passes: 2\n" + ROUTES


def with_judges(folder: TaskFolder, judges: str, *, correct: str = "label_right") -> None:
    (folder.path / "rubrics").mkdir(exist_ok=True)
    folder.write("rubrics/brief.yml", RUBRIC)
    folder.edit("correct: [label_right]\n", f"{judges}correct: [{correct}]\n")


def only(folder: TaskFolder) -> ValidationIssue:
    [issue] = folder.issues()
    return issue


def test_a_task_has_its_judges_with_their_rubrics(folder: TaskFolder) -> None:
    with_judges(folder, BRIEF + JUDGE.removeprefix("judges:\n"), correct="label_right, safe, brief")

    task = folder.load()

    assert [judge.name for judge in task.spec.judges] == ["brief", "safe"]
    assert {name: rubric.criterion for name, rubric in task.rubrics.items()} == {"brief": "Brevity", "safe": "Safety"}
    assert set(task.versions.scorers) == {"label_right", "mine", "brief", "safe"}


@pytest.mark.parametrize(
    ("judges", "line", "expected", "found"),
    [
        (JUDGE.replace("safety", "safty"), 2, "did you mean 'safety'?", "'safty'"),
        (JUDGE.replace("safety", "rubrics/none.yml"), 2, "a rubric file in the task folder", "'rubrics/none.yml'"),
        (JUDGE.replace("safety", "../../providers.yml"), 2, "`judges.0.rubric`: ", "'../../providers.yml'"),
        (JUDGE.replace("provider: cheap", "provider: chaep"), 3, "a provider of providers.yml (cheap, dear)", "'chaep'"),
        (JUDGE.replace("safety", "groundedness"), 1, "`sees.sources`, which rubric 'groundedness' needs", ""),
        (JUDGE.replace("safety", "correctness"), 1, "`sees.reference`, which rubric 'correctness' needs", ""),
        (JUDGE + "    passes: 3\n", 4, "no `passes`, because the rubric is binary", "3"),
        (JUDGE + "    sees: {input: [massage]}\n", 4, "a field of the input (message)", "'massage'"),
        (JUDGE + "    sees: {sources: massage}\n", 4, "a field of the input (message)", "'massage'"),
        (JUDGE + "    sees: {output: [lable]}\n", 4, "a field of Answer (label)", "'lable'"),
        (JUDGE + "    sees: {reference: lable}\n", 4, "a field of Answer (label)", "'lable'"),
        (JUDGE + "    sees: {outputs: label}\n", 4, "`judges.0.sees.outputs` is not a known key", ""),
        (JUDGE + "    epochs: 0\n", 4, "greater than or equal to 1", "0"),
        (JUDGE + "    jury: median\n", 4, "'majority' or 'mean'", "'median'"),
        (JUDGE + "    sample: 0\n", 4, "greater than or equal to 1", "0"),
        (JUDGE + "    sample: 1.5\n", 4, "less than or equal to 1", "1.5"),
        (JUDGE + "    parameters: {model: x}\n", 4, "Assay sets model; remove it", ""),
        (JUDGE.replace("routes: [", "routes: [{name: one, provider: cheap, model: m}, "), 3, "duplicate route name: 'one'", ""),
        (BRIEF.replace("passes: 2", "passes: 3"), 3, "a level of the rubric (1, 2)", "3"),
    ],
)  # fmt: skip
def test_an_issue_in_a_judge_names_line_expected_and_found(
    folder: TaskFolder, judges: str, line: int, expected: str, found: str
) -> None:
    start = folder.path.joinpath("task.yml").read_text().splitlines().index("correct: [label_right]") + 1
    with_judges(folder, judges)

    issues = folder.issues()

    assert any(
        issue.line == start + line and expected in f"{issue.problem}{issue.expected}" and found in issue.found
        for issue in issues
    ), issues


def test_an_ordinal_judge_that_decides_must_say_from_where_it_passes(folder: TaskFolder) -> None:
    with_judges(folder, BRIEF.replace("    passes: 2\n", ""), correct="brief")

    assert "`passes`, a level of the rubric (1, 2)" in only(folder).expected


def test_a_judge_cannot_have_the_name_of_a_check(folder: TaskFolder) -> None:
    with_judges(folder, JUDGE.replace("name: safe", "name: mine"))

    assert "duplicate name among checks and judges: 'mine'" in only(folder).problem


def test_correct_names_checks_and_judges_and_nothing_else(folder: TaskFolder) -> None:
    with_judges(folder, JUDGE, correct="saef")

    assert only(folder).expected == "a check or judge of the task (label_right, mine, safe)"


@pytest.mark.parametrize(
    ("old", "new", "line", "expected"),
    [
        ("question: Is the answer short?\n", "", 1, "`question`"),
        ("  2: Short.\n", "", 3, "at least 2 items"),
        ("levels:\n", "binary: {pass: x, fail: y}\nlevels:\n", 4, "set exactly one of `binary` and `levels`"),
        ("levels:\n  1: Long.\n  2: Short.\n", "", 1, "set exactly one of `binary` and `levels`"),
        ("  2: Short.\n", "  2: ''\n", 5, "at least 1 character"),
        ("criterion: Brevity\n", "criterion: Brevity\nprompt: Judge {{ answer }} by {{ anchors }}\n", 2, "unknown variable `answer` in `prompt`"),
        ("criterion: Brevity\n", "criterion: Brevity\nprompt: Judge it.\n", 2, "`prompt` does not use {{ anchors }}"),
        ("criterion: Brevity\n", "criterion: Brevity\nprompt: '{% if %}'\n", 2, "`prompt` is not a valid Jinja template"),
        ("criterion: Brevity\n", "criterion: Brevity\ncriteria: two\n", 2, "`criteria` is not a known key"),
        ("levels:\n", "- levels:\n", 3, "invalid YAML"),
    ],
)  # fmt: skip
def test_an_issue_in_a_rubric_names_the_file_and_line_of_the_rubric(
    folder: TaskFolder, old: str, new: str, line: int, expected: str
) -> None:
    with_judges(folder, BRIEF)
    folder.edit(old, new, file="rubrics/brief.yml")

    issues = folder.issues()

    assert {issue.file for issue in issues} == {"tasks/sorting/rubrics/brief.yml"}
    assert any(issue.line == line and expected in f"{issue.problem}{issue.expected}" for issue in issues), issues


@pytest.mark.parametrize(
    ("change", "moves"),
    [
        (lambda folder: folder.edit("  2: Short.", "  2: Shorter.", file="rubrics/brief.yml"), True),
        (lambda folder: folder.edit("criterion: Brevity", "criterion: Brevity\nprompt: '{{ anchors }}'", file="rubrics/brief.yml"), True),
        (lambda folder: folder.edit("passes: 2", "passes: 1"), True),
        (lambda folder: folder.edit("passes: 2", "passes: 2\n    epochs: 3"), True),
        (lambda folder: folder.edit("passes: 2", "passes: 2\n    jury: mean"), True),
        (lambda folder: folder.edit("passes: 2", "passes: 2\n    parameters: {temperature: 1}"), True),
        (lambda folder: folder.edit("passes: 2", "passes: 2\n    sees: {output: label}"), True),
        (lambda folder: folder.edit("{name: one, provider: cheap, model: gpt-5-nano}", "{name: one, provider: dear, model: gpt-5-nano}"), True),
        (lambda folder: folder.edit("{name: one, provider: cheap, model: gpt-5-nano}", "{name: one, provider: cheap, model: gpt-5-nano, timeout_s: 9}"), False),
        (lambda folder: folder.edit("{name: one, provider: cheap", "{name: other, provider: cheap"), True),
        (lambda folder: folder.edit("passes: 2", "passes: 2\n    sample: 0.1"), False),
        (lambda folder: folder.edit("You sort", "You sift", file="system.j2"), False),
        (lambda folder: folder.edit("rubric: rubrics/brief.yml", "rubric: rubrics/brief.yml  # ours"), False),
    ],
)  # fmt: skip
def test_a_judge_has_another_version_when_it_would_judge_otherwise(
    folder: TaskFolder, change: Callable[[TaskFolder], None], moves: bool
) -> None:
    with_judges(folder, BRIEF)
    before = folder.load().versions

    change(folder)

    after = folder.load().versions
    assert (after.scorers["brief"] != before.scorers["brief"]) is moves
    assert after.scorers["mine"] == before.scorers["mine"]


def test_judges_leave_what_is_asked_and_decided_as_it_was(folder: TaskFolder) -> None:
    before = folder.load().versions

    with_judges(folder, JUDGE)

    after = folder.load().versions
    assert (after.inference, after.policy, after.golden_set) == (before.inference, before.policy, before.golden_set)


UNORDERED = RUBRIC + "ordered: false\n"


@pytest.mark.parametrize(
    ("judges", "correct", "expected"),
    [
        (BRIEF, "label_right", "no `passes`, because the levels of the rubric have no order"),
        (BRIEF.replace("    passes: 2\n", "    jury: mean\n"), "label_right", "`majority`, because the levels"),
        (BRIEF.replace("    passes: 2\n", ""), "brief", "a judge that passes or fails in `correct`"),
    ],
)
def test_levels_without_an_order_neither_pass_nor_have_a_mean(
    folder: TaskFolder, judges: str, correct: str, expected: str
) -> None:
    with_judges(folder, judges, correct=correct)
    folder.write("rubrics/brief.yml", UNORDERED)

    assert expected in str(only(folder).expected)


def test_a_binary_scale_has_no_order_to_deny(folder: TaskFolder) -> None:
    with_judges(folder, BRIEF.replace("    passes: 2\n", ""))
    folder.write("rubrics/brief.yml", "criterion: A\nquestion: B?\nbinary: {pass: good, fail: bad}\nordered: false\n")

    assert "`ordered: false` needs `levels`" in str(only(folder))


def test_only_a_rubric_that_denies_the_order_changes_its_version(folder: TaskFolder) -> None:
    with_judges(folder, BRIEF.replace("    passes: 2\n", ""))
    before = folder.load().versions.scorers["brief"]

    folder.write("rubrics/brief.yml", RUBRIC + "ordered: true\n")
    same = folder.load().versions.scorers["brief"]
    folder.write("rubrics/brief.yml", UNORDERED)

    assert before == same != folder.load().versions.scorers["brief"]
