"""A reference in task.yml to something that does not exist is an issue at its own line, and no other issue follows from it."""

from __future__ import annotations

import pytest

from assay.project import check_tasks, open_project
from assay.settings import Settings
from tests.fakes.task_folder import TaskFolder, case

EXPECTATION = "  record_id: id\n  expectations:\n    - type: {kind}\n      kwargs:\n        column: body\n"
IN_SET = "expect_column_values_to_be_in_set"
JUDGE = (
    "correct: [label_right]\njudges:\n  - name: safe\n    rubric: safety\n    sees:\n      input: [message]\n"
    "      reference:\n        - label\n    routes: [{name: one, provider: cheap, model: m}]\n"
)
RULES = "gate:\n  rules:\n    - {name: floor, type: lower_bound, at_least: 0.8}\n"
TWO_FIELDS = (
    '    label: Literal["billing", "other"]',
    '    label: Literal["billing", "other"]\n    note: str\n    words: list[str]\n    score: float = 0',
)


def lines(folder: TaskFolder) -> list[str]:
    return [str(issue).removeprefix("tasks/sorting/") for issue in folder.issues()]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("    field: label", "    field: lable", "task.yml:29: check 'label_right': exact_match: parameter 'field': expected a field of the output (label), found 'lable'; did you mean 'label'?"),
        ("    type: exact_match\n", "    type: numeric_range\n    min: 1\n", "task.yml:30: check 'label_right': numeric_range: parameter 'field': expected a field whose value is of type integer or number, found 'label' of type string"),
        ("    field: label", "    field: label\n    strp: true", "task.yml:30: check 'label_right': exact_match: parameter 'strp' is unknown; expected field, ignore_case, strip, classes; did you mean 'strip'?"),
        ("correct: [label_right]", "correct:\n  - mine\n  - label_rigth", "task.yml:35: expected a check or judge of the task (label_right, mine); found 'label_rigth'; did you mean 'label_right'?"),
        ("correct: [label_right]", "correct: [label_right]\nmasking:\n  entities:\n    - US_SSN\n    - EMAIL_ADRESS", "task.yml:37: expected one of CREDIT_CARD, EMAIL_ADDRESS, IBAN_CODE, PHONE_NUMBER, US_SSN; found 'EMAIL_ADRESS'; did you mean 'EMAIL_ADDRESS'?"),
        ("correct: [label_right]", "correct: [label_right]\ncache:\n  semantic:\n    provider: cheap\n    model: m\n    compare:\n      - lable", "task.yml:39: expected a field of Answer (label); found 'lable'; did you mean 'label'?"),
        ("correct: [label_right]\n", "", "task.yml:34: expected `correct` in task.yml, which defines a correct prediction; found a threshold without it"),
        ("  source: sorting.csv", "  source: sorting.xlsx", "task.yml:5: expected a file (.csv, .tsv, .jsonl, .ndjson, .parquet), a table (project.dataset.table) or a SQL query (select ...); found 'sorting.xlsx'"),
        ("  record_id: id\n", EXPECTATION.format(kind="expect_column_values_to_be_in_sett"), "task.yml:8: expected an expectation that validates each row independently; found 'expect_column_values_to_be_in_sett'; did you mean 'expect_column_values_to_be_in_set'?"),
        ("  record_id: id\n", EXPECTATION.format(kind=IN_SET) + "        value_set: [x]\n        parse_string: true\n", f"task.yml:12: unknown kwarg 'parse_string' of '{IN_SET}'; expected column, value_set"),
        ("  record_id: id\n", EXPECTATION.format(kind=IN_SET) + "        value_set: x\n", f"task.yml:11: 'value_set' of '{IN_SET}' must be a valid list; found 'x'"),
        ("  record_id: id\n", EXPECTATION.format(kind=IN_SET) + "        value_set: [x]\n      kwarg: 1\n", "task.yml:12: unknown key 'kwarg' of an expectation; did you mean 'kwargs'?"),
        ("    label: other", "    lable: other", "task.yml:13: expected a value that Answer accepts (`label` is missing); found {'lable': 'other'}"),
    ],
)  # fmt: skip
def test_what_a_run_would_refuse_or_never_score_is_an_issue_with_its_line(
    folder: TaskFolder, old: str, new: str, message: str
) -> None:
    folder.edit(old, new)

    assert lines(folder) == [message]


def test_a_check_that_no_record_can_be_compared_with_is_an_issue(folder: TaskFolder) -> None:
    folder.edit("  expected:\n    label: label\n", "")
    folder.write_cases(case("dev-1", "dev", expected=None))

    assert lines(folder) == [
        "task.yml:27: check 'label_right' can never score, because no expected value of 'label' is declared; add the "
        "column to `input.expected`, or the value to `expected` of cases in cases.jsonl"
    ]


def test_a_judge_that_has_no_reference_to_compare_with_is_an_issue(folder: TaskFolder) -> None:
    folder.edit("  expected:\n    label: label\n", "")
    folder.edit("    field: label", "    field: label\n    values: [other]")
    folder.edit("type: exact_match", "type: allowed_value")
    folder.edit("correct: [label_right]\n", JUDGE)
    folder.write_cases(case("dev-1", "dev", expected=None))

    assert [line.split(",")[0] for line in lines(folder)] == ["task.yml:39: judge 'safe' can never score"]


@pytest.mark.parametrize("field", ["note", "words.0", "score"])
def test_fields_of_the_output_that_a_check_can_score_are_no_issue(folder: TaskFolder, field: str) -> None:
    folder.edit(*TWO_FIELDS, file="output.py")
    folder.edit("  fallback:\n    label: other\n", "")
    folder.edit("correct:", f"  - {{name: more, type: allowed_value, field: {field}, values: [x]}}\ncorrect:")

    assert lines(folder) == []


@pytest.mark.parametrize(
    ("file", "old", "new", "line"),
    [
        ("task.yml", "correct: [label_right]\n", f"correct: [label_rigth]\n{RULES}", "task.yml:33"),
        ("task.yml", "  - name: mine\n", "  - name: label_right\n", "task.yml:30"),
        ("task.yml", "  - name: mine\n", "  - name: Mine\n", "task.yml:30"),
        ("task.yml", "correct: [label_right]\n", f"correct: label_right\n{RULES}", "task.yml:33"),
        ("task.yml", "    field: label\n", "    field: lable\n", "task.yml:29"),
        ("task.yml", "  record_id: id\n", "  record_id: 3\n", "task.yml:6"),
        ("task.yml", "correct: [label_right]\n", f"correct: [label_right]\nsla: 3\n{RULES}    - {{name: fast, type: latency}}\n", "task.yml:34"),
        ("cases.jsonl", '"case_id":"dev-1",', '"case_id":dev-1,', "cases.jsonl:1"),
    ],
)  # fmt: skip
def test_no_issue_follows_from_one_that_is_reported(
    folder: TaskFolder, file: str, old: str, new: str, line: str
) -> None:
    folder.edit(old, new, file=file)

    assert [issue.split(": ")[0] for issue in lines(folder)] == [line]


@pytest.mark.parametrize(
    ("override", "line"),
    [
        ("    prompts:\n      system: none.j2\n", 42),
        ("    prompts:\n      few_shot:\n        - dev-1\n        - dev-9\n", 44),
        ("    output:\n      fallback:\n        label: refund\n", 43),
        ("    masking:\n      entities:\n        - EMAIL\n", 43),
        ("    routes:\n      - name: one\n        provider: cheep\n        model: m\n", 43),
    ],
)
def test_an_issue_of_a_variant_is_found_by_the_check_at_its_line(folder: TaskFolder, override: str, line: int) -> None:
    folder.edit("    parameters:\n      temperature: 1\n", override)

    _, issues = check_tasks(open_project(Settings(root=folder.root, hash_key=b"k" * 32)), ["sorting"])

    assert [issue.line for issue in issues] == [line]
