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
        (
            "owner: data-team",
            "owner: data-team\nownr: x",
            4,
            "`ownr` is not a known key",
            "remove it or correct its name",
        ),
        ("owner: data-team\n", "", 1, "`owner` is missing", "add it"),
        (
            "  max_tokens: 60",
            "  max_tokens: many",
            21,
            "`parameters`: max_tokens must be a positive integer, not 'many'",
            "",
        ),
        ("  max_tokens: 60", "  max_tokens: .nan", 21, "max_tokens must be a positive integer", ""),
        (
            "  temperature: 0",
            "  temperature: 2026-01-01",
            20,
            "the value of temperature cannot be represented in JSON",
            "",
        ),
        ("  temperature: 0", "  temperature: .inf", 20, "the value of temperature cannot be represented in JSON", ""),
        ("  temperature: 0", "  model: x", 20, "`parameters`: Assay sets model; remove it", ""),
        ("  source: sorting.csv", "  source: [1]", 5, "`input.source` must be a valid string", "[1]"),
        ("owner: data-team", "owner: data-team\nowner: again", 4, "duplicate key `owner`", "remove one of the two"),
        ("owner: data-team", "owner: [data-team", 4, "invalid YAML: expected ',' or ']'", ""),
        ("owner: data-team", "owner: &a [*a]", 3, "`owner` must be a valid string", "[[...]]"),
        ("    provider: cheap", "    provider: cheep", 24, "a provider of providers.yml (cheap, dear)", "'cheep'"),
        ("    type: exact_match", "    type: exact_mach", 28, "check 'label_right': ", "did you mean 'exact_match'"),
        ("checks.py:is_short", "checks.py:is_long", 32, "check 'mine': ", "is_long"),
        (
            "correct: [label_right]",
            "correct: [mine, label_rigth]",
            33,
            "a check or judge of the task (label_right, mine)",
            "'label_rigth'; did you mean 'label_right'?",
        ),
        ('"0 6 * * *"', '"0 6 * *"', 37, "five fields", "'0 6 * *'"),
        ('"0 6 * * *"', '"0 26 * * *"', 37, "hour from 0 to 23", "'0 26 * * *'"),
        ("timezone: UTC", "timezone: Europe", 38, "an IANA time zone", "'Europe'"),
        ("timezone: UTC", "timezone: ../../etc/passwd", 38, "an IANA time zone", "'../../etc/passwd'"),
        ("few_shot: [dev-1]", "few_shot: [dev-9]", 18, "a case of cases.jsonl", "'dev-9'"),
        ("few_shot: [dev-1]", "few_shot: [gate-1]", 18, "a case of the dev split", "'gate-1' of split 'gate'"),
        ("    label: other", "    label: nonsense", 14, "a value that Answer accepts (`label` must be", "'nonsense'"),
        ("    label: label", "    lable: label", 10, "a field of Answer (label)", "'lable'"),
        ("output.py:Answer", "answer.py:Answer", 1, "no such file", "correct `output.model`"),
        ("output.py:Answer", "output.py:Question", 1, "a Pydantic class named Question", "no such name"),
        ("output.py:Answer", "output.py:NOT_A_MODEL", 1, "a Pydantic class named NOT_A_MODEL", "3"),
        ("system: system.j2", "system: nothing.j2", 16, "a readable template file", "'nothing.j2'"),
        ("system: system.j2", "system: ../../providers.yml", 16, "in the task folder", "'../../providers.yml'"),
        ("name: sorting", "name: sifting", 1, "the folder's name, 'sorting'", "'sifting'"),
        ("    parameters:\n", "    owner:\n", 41, "one of prompts, parameters, routes", "'owner'"),
        (
            "      temperature: 1",
            "      messages: 1",
            42,
            "variant 'warm', `parameters`: ",
            "Assay sets messages; remove it",
        ),
        ("  warm:", "  default:", 40, "`default` is reserved", ""),
        (
            "    message: body",
            "    message: body\n    few_shot: x",
            9,
            "`few_shot` is reserved",
            "the examples in templates",
        ),
    ],
)
def test_an_issue_in_the_spec_names_line_expected_and_found(
    folder: TaskFolder, old: str, new: str, line: int, expected: str, found: str
) -> None:
    folder.edit(old, new)

    hits = [
        issue
        for issue in folder.issues()
        if issue.line == line
        and expected in f"{issue.problem}{issue.expected}"
        and found in f"{issue.problem}; {issue.found}; {issue.next_step}"
    ]

    assert hits, [str(issue) for issue in folder.issues()]


@pytest.mark.parametrize(
    ("file", "text", "line", "problem"),
    [
        ("output.py", "class Answer(:\n", 1, "importing the file failed: SyntaxError"),
        ("output.py", "\nimport no_such_module\n", 2, "importing the file failed: ModuleNotFoundError"),
        ("user.j2", "one\n{% for x in %}\n", 2, "not a valid Jinja template: Expected an expression"),
        ("user.j2", "one\n{{ message | shorten }}\n", 2, "not a valid Jinja template: No filter named 'shorten'"),
        ("user.j2", "one\n\n{{ mesage }}\n", 3, "unknown variable `mesage`; `input.fields` defines few_shot, message"),
        ("user.j2", "one\n{{ message.subject }}\n", 2, "rendering case 'dev-1' failed: UndefinedError"),
        ("user.j2", "one\n{{ message.__class__ }}\n", 2, "rendering case 'dev-1' failed: SecurityError"),
        ("user.j2", "{% include 'secret' %}\n", 1, "rendering case 'dev-1' failed: TypeError: no loader"),
    ],
)
def test_an_issue_in_a_file_names_its_line_and_problem(
    folder: TaskFolder, file: str, text: str, line: int, problem: str
) -> None:
    folder.write(file, text)

    (issue,) = folder.issues()

    assert (issue.file, issue.line) == (f"tasks/sorting/{file}", line)
    assert problem in issue.problem


@pytest.mark.parametrize(
    ("wrong", "expected", "found"),
    [
        ("{", "invalid JSON: ", "at column 2"),
        ("[" * 5000, "invalid JSON: ", "at column"),
        (case("gate-1"), "duplicate case_id 'gate-1', first used on line 2", ""),
        (case("gate-2", "train"), "`split` must be 'dev' or 'gate'", "'train'"),
        (case("gate-2", note="x"), "`note` is not a known key", ""),
        (case("gate-2", turn=1), "both `conversation` and `turn`, or neither", "only `turn`"),
        (case("gate-2", conversation="c", turn=-1), "`turn` must be greater than or equal to 0", "-1"),
        (
            case("gate-2", conversation="c", turn=1),
            "no `conversation`, because task.yml has no `input.conversation`",
            "'c'",
        ),
        (case("gate-2", input={"text": "x"}), "`input` with exactly the fields of task.yml (message)", "['text']"),
        (case("gate-2", expected={"label": "refund"}), "`expected.label` must be ", "'refund'"),
        (case("gate-2", expected={"lable": "other"}), "`expected.lable` is not a field of Answer (label)", "'other'"),
    ],
)
def test_a_wrong_case_names_its_line_expected_and_found(
    folder: TaskFolder, wrong: object, expected: str, found: str
) -> None:
    folder.write_cases(case("dev-1", "dev"), case("gate-1"), wrong)

    (issue,) = folder.issues()

    assert (issue.file, issue.line) == ("tasks/sorting/cases.jsonl", 3)
    assert expected in f"{issue.problem}{issue.expected}"
    assert found in f"{issue.problem}; {issue.found}"


def test_a_turn_that_stands_twice_names_the_line_of_the_first(folder: TaskFolder) -> None:
    folder.edit("record_id: id", "record_id: id\n  conversation: {id: talk, turn: n}")
    folder.write_cases(case("dev-1", "dev", conversation="c", turn=1), case("gate-1", conversation="c", turn=1))

    (issue,) = folder.issues()

    assert (issue.line, issue.problem) == (2, "duplicate turn 1 of conversation 'c', first on line 1")


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

    assert [line.split(": `")[0] for line in str(error.value).splitlines()] == [
        "tasks/sorting/task.yml:37",
        "tasks/sorting/task.yml:38",
    ]


def test_an_unknown_variant_names_those_there_are(folder: TaskFolder) -> None:
    with pytest.raises(UsageError, match="no variant 'cold': expected one of default, warm"):
        folder.load("cold")


def test_yaml_of_endless_depth_is_an_issue_and_no_crash(folder: TaskFolder) -> None:
    folder.write("task.yml", "[" * 20_000)

    assert [issue.problem for issue in folder.issues()] == ["YAML is nested too deeply"]


def test_aliases_that_stand_for_a_billion_values_are_an_issue_at_once(folder: TaskFolder) -> None:
    levels = [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    folder.write("task.yml", "\n".join(["a0: &a0 [x]", *levels]))
    assert [issue.problem for issue in folder.issues()] == ["its aliases stand for more than 100,000 values"]


def test_a_missing_spec_says_how_to_get_one(folder: TaskFolder) -> None:
    (folder.path / "task.yml").unlink()

    assert "assay init TASK" in folder.issues()[0].next_step


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("owner: data-team\n", "", "task.yml:1: `owner` is missing; add it"),
        (
            "owner: data-team",
            "owner: data-team\nownr: x",
            "task.yml:4: `ownr` is not a known key; remove it or correct its name",
        ),
        ("owner: data-team", "owner: x\nowner: y", "task.yml:4: duplicate key `owner`; remove one of the two"),
        ("  source: sorting.csv", "  source: [1]", "task.yml:5: `input.source` must be a valid string; found [1]"),
        ("  temperature: 0", "  model: x", "task.yml:20: `parameters`: Assay sets model; remove it"),
        (
            "timezone: UTC",
            "timezone: Mars",
            "task.yml:38: `schedule.timezone`: expected an IANA time zone such as UTC or Europe/Berlin; found 'Mars'",
        ),
        (
            "correct: [label_right]",
            "correct: [x]",
            "task.yml:33: expected a check or judge of the task (label_right, mine); found 'x'",
        ),
        (
            "  - name: mine",
            "  - name: label_right",
            "task.yml:30: duplicate name among checks and judges: 'label_right'",
        ),
        (
            "    provider: cheap",
            "    provider: cheep",
            "task.yml:24: expected a provider of providers.yml (cheap, dear); found 'cheep'; did you mean 'cheap'?",
        ),
        (
            "      temperature: 1",
            "      messages: 1",
            "task.yml:42: variant 'warm', `parameters`: Assay sets messages; remove it",
        ),
        ("owner: data-team", "owner: [x", "task.yml:4: invalid YAML: expected ',' or ']', but got ':'"),
    ],
)
def test_each_kind_of_issue_has_its_own_message(folder: TaskFolder, old: str, new: str, message: str) -> None:
    folder.edit(old, new)

    assert f"tasks/sorting/{message}" in [str(issue) for issue in folder.issues()]


def test_an_invalid_file_of_the_folder_is_described_in_a_sentence(folder: TaskFolder) -> None:
    (folder.path / "output.py").unlink()

    (issue,) = folder.issues()

    assert str(issue) == ("tasks/sorting/output.py:1: no such file; create it, or correct `output.model` in task.yml")


def test_a_golden_set_that_is_a_link_out_of_the_task_folder_is_refused(folder: TaskFolder) -> None:
    cases = folder.path / "cases.jsonl"
    inner = cases.rename(folder.path / "kept.jsonl")
    cases.symlink_to(inner.name)
    assert folder.issues() == []
    outer = inner.rename(folder.path.parent / "cases.jsonl")
    cases.unlink()
    cases.symlink_to(outer)
    assert "the file cannot be read: the path leads out of the task folder" in [
        issue.problem for issue in folder.issues()
    ]
