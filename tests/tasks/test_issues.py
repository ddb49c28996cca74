"""Each issue of a task folder is reported with its file, its line, what was expected and what was found."""

from __future__ import annotations

import pytest

from assay.errors import UsageError
from assay.tasks.issues import TaskValidationError
from tests.fakes.task_folder import TaskFolder, case


def test_the_folder_as_it_stands_has_no_issue(folder: TaskFolder) -> None:
    assert folder.issues() == []


@pytest.mark.parametrize(
    ("old", "new", "line", "expected", "found"),
    [
        ("owner: data-team", "owner: data-team\nownr: x", 4, "a known key", "`ownr`"),
        ("owner: data-team\n", "", 1, "`owner`", "nothing; add it"),
        (
            "  max_tokens: 60",
            "  max_tokens: many",
            19,
            "`parameters` to be right: max_tokens to be an integer",
            "see there",
        ),
        ("  max_tokens: 60", "  max_tokens: .nan", 19, "max_tokens to be an integer", "see there"),
        ("  temperature: 0", "  temperature: 2026-01-01", 19, "values that JSON can represent", "see there"),
        ("  temperature: 0", "  temperature: .inf", 19, "values that JSON can represent", "see there"),
        ("  temperature: 0", "  model: x", 19, "model is set by Assay", "see there"),
        ("  source: sorting.csv", "  source: [1]", 5, "`input.source` to be right: a valid string", "[1]"),
        ("owner: data-team", "owner: data-team\nowner: again", 4, "each key once", "`owner` again"),
        ("owner: data-team", "owner: [data-team", 4, "valid YAML", "expected ',' or ']'"),
        ("owner: data-team", "owner: &a [*a]", 3, "`owner` to be right: a valid string", "[[...]]"),
        ("    provider: cheap", "    provider: cheep", 24, "a provider of providers.yml (cheap, dear)", "'cheep'"),
        ("    type: exact_match", "    type: exact_mach", 27, "'label_right'", "did you mean 'exact_match'"),
        ("checks.py:is_short", "checks.py:is_long", 30, "check 'mine' to be right", "is_long"),
        ("correct: [label_right]", "correct: [label_wrong]", 1, "correct names label_wrong", "see there"),
        ('"0 6 * * *"', '"0 6 * *"', 37, "five fields", "'0 6 * *'"),
        ('"0 6 * * *"', '"0 26 * * *"', 37, "hour from 0 to 23", "'0 26 * * *'"),
        ("timezone: UTC", "timezone: Europe", 38, "an IANA time zone", "'Europe'"),
        ("timezone: UTC", "timezone: ../../etc/passwd", 38, "an IANA time zone", "'../../etc/passwd'"),
        ("few_shot: [dev-1]", "few_shot: [dev-9]", 18, "a case of cases.jsonl", "'dev-9'"),
        ("few_shot: [dev-1]", "few_shot: [gate-1]", 18, "a case of the dev split", "'gate-1' of split 'gate'"),
        ("    label: other", "    label: nonsense", 13, "a value that Answer accepts (label:", "'nonsense'"),
        ("    label: label", "    lable: label", 10, "a field of Answer (label)", "`lable`"),
        ("output.py:Answer", "answer.py:Answer", 1, "the file that output.model names", "nothing there"),
        ("output.py:Answer", "output.py:Question", 1, "a Pydantic model named Question", "None"),
        ("output.py:Answer", "output.py:NOT_A_MODEL", 1, "a Pydantic model named NOT_A_MODEL", "3"),
        ("system: system.j2", "system: nothing.j2", 16, "a readable template file", "'nothing.j2'"),
        ("system: system.j2", "system: ../../providers.yml", 16, "in the task folder", "'../../providers.yml'"),
        ("name: sorting", "name: sifting", 1, "the folder's name, 'sorting'", "'sifting'"),
        ("    parameters:\n", "    owner:\n", 41, "one of prompts, parameters, routes", "`owner`"),
        ("      temperature: 1", "      messages: 1", 41, "variant 'warm' to be right", "'messages': 1"),
        ("  warm:", "  default:", 40, "another name", "`default`"),
        ("    message: body", "    message: body\n    few_shot: x", 9, "another name", "examples in templates"),
    ],
)
def test_an_issue_in_the_spec_names_line_expected_and_found(
    folder: TaskFolder, old: str, new: str, line: int, expected: str, found: str
) -> None:
    folder.edit(old, new)

    hits = [
        issue
        for issue in folder.issues()
        if issue.line == line and expected in issue.expected and found in f"{issue.found}; {issue.next_step}"
    ]

    assert hits, [str(issue) for issue in folder.issues()]


@pytest.mark.parametrize(
    ("file", "text", "line", "expected", "found"),
    [
        ("output.py", "class Answer(:\n", 1, "code that imports", "SyntaxError"),
        ("output.py", "\nimport no_such_module\n", 2, "code that imports", "ModuleNotFoundError"),
        ("user.j2", "one\n{% for x in %}\n", 2, "a valid Jinja template", "Expected an expression"),
        ("user.j2", "one\n{{ message | shorten }}\n", 2, "a valid Jinja template", "No filter named 'shorten'"),
        ("user.j2", "one\n\n{{ mesage }}\n", 3, "a variable of input.fields (few_shot, message)", "`mesage`"),
        ("user.j2", "one\n{{ message.subject }}\n", 2, "a template that renders case 'dev-1'", "UndefinedError"),
        ("user.j2", "one\n{{ message.__class__ }}\n", 2, "a template that renders case 'dev-1'", "SecurityError"),
        ("user.j2", "{% include 'secret' %}\n", 1, "a template that renders case 'dev-1'", "no loader"),
    ],
)
def test_an_issue_in_a_file_names_line_expected_and_found(
    folder: TaskFolder, file: str, text: str, line: int, expected: str, found: str
) -> None:
    folder.write(file, text)

    (issue,) = folder.issues()

    assert (issue.file, issue.line) == (f"tasks/sorting/{file}", line)
    assert expected in issue.expected
    assert found in issue.found


@pytest.mark.parametrize(
    ("wrong", "expected", "found"),
    [
        ("{", "one JSON object", "at column 2"),
        ("[" * 5000, "one JSON object", "at column"),
        (case("gate-1"), "each case_id once", "'gate-1', first on line 2"),
        (case("gate-2", "train"), "`split`: Input should be 'dev' or 'gate'", "'train'"),
        (case("gate-2", note="x"), "`note`: Extra inputs are not permitted", "'x'"),
        (case("gate-2", turn=1), "`conversation` and `turn`, or neither", "`turn` alone"),
        (case("gate-2", conversation="c", turn=-1), "`turn`: Input should be greater than or equal to 0", "-1"),
        (
            case("gate-2", conversation="c", turn=1),
            "no `conversation`, because task.yml has no `input.conversation`",
            "1",
        ),
        (case("gate-2", input={"text": "x"}), "input with exactly the fields of task.yml (message)", "['text']"),
        (case("gate-2", expected={"label": "refund"}), "expected.label to be right", "'refund'"),
        (case("gate-2", expected={"lable": "other"}), "expected.lable to be a field of Answer (label)", "'other'"),
    ],
)
def test_a_wrong_case_names_its_line_expected_and_found(
    folder: TaskFolder, wrong: object, expected: str, found: str
) -> None:
    folder.write_cases(case("dev-1", "dev"), case("gate-1"), wrong)

    (issue,) = folder.issues()

    assert (issue.file, issue.line) == ("tasks/sorting/cases.jsonl", 3)
    assert expected in issue.expected
    assert found in issue.found


def test_a_turn_that_stands_twice_names_the_line_of_the_first(folder: TaskFolder) -> None:
    folder.edit("record_id: id", "record_id: id\n  conversation: {id: talk, turn: n}")
    folder.write_cases(case("dev-1", "dev", conversation="c", turn=1), case("gate-1", conversation="c", turn=1))

    (issue,) = folder.issues()

    assert (issue.line, issue.expected, issue.found) == (
        2, "each turn of a conversation once", "turn 1 of line 1",
    )  # fmt: skip


def test_issues_of_all_files_are_reported_at_once(folder: TaskFolder) -> None:
    folder.edit("owner: data-team", "ownr: data-team")
    folder.write("user.j2", "{{ mesage }}")
    folder.write("output.py", "import no_such_module")
    folder.write_cases("{", case("dev-1", "dev"))

    files = {issue.file.rpartition("/")[2] for issue in folder.issues()}

    assert files == {"task.yml", "user.j2", "output.py", "cases.jsonl"}


def test_cases_are_judged_although_the_spec_cannot_be_read(folder: TaskFolder) -> None:
    folder.write("task.yml", "name: [")
    folder.write_cases("{")

    assert {issue.file for issue in folder.issues()} == {"tasks/sorting/task.yml", "tasks/sorting/cases.jsonl"}


def test_each_issue_is_reported_once(folder: TaskFolder) -> None:
    folder.edit("      temperature: 1", "      messages: 1")

    with pytest.raises(TaskValidationError) as error:
        folder.load("warm")

    assert len(error.value.issues) == 1


def test_the_message_has_one_line_for_each_issue(folder: TaskFolder) -> None:
    folder.edit("timezone: UTC", "timezone: Mars")
    folder.edit('"0 6 * * *"', '"daily"')

    with pytest.raises(TaskValidationError) as error:
        folder.load()

    assert [line.split(": expected")[0] for line in str(error.value).splitlines()] == [
        "tasks/sorting/task.yml:37",
        "tasks/sorting/task.yml:38",
    ]


def test_an_unknown_variant_names_those_there_are(folder: TaskFolder) -> None:
    with pytest.raises(UsageError, match="no variant 'cold': expected default, warm"):
        folder.load("cold")


def test_yaml_of_endless_depth_is_an_issue_and_no_crash(folder: TaskFolder) -> None:
    folder.write("task.yml", "[" * 20_000)

    assert [issue.expected for issue in folder.issues()] == ["YAML of a few levels"]


def test_a_missing_spec_says_how_to_get_one(folder: TaskFolder) -> None:
    (folder.path / "task.yml").unlink()

    assert "assay init TASK" in folder.issues()[0].next_step
