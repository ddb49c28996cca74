from __future__ import annotations

from pathlib import Path

import pytest

from assay.checks import CheckResult, ScoredItem, build_scorer
from assay.checks.registry import parameter_errors, scorer_version
from assay.errors import UsageError

SUBJECT = ScoredItem(output={"a": "secret"}, expected=None, input={"text": "hello"}, status="ok")


def judge(folder: Path, source: str, name: str = "score", **parameters: str) -> CheckResult:
    (folder / "scorers.py").write_text(source, "utf-8")
    return build_scorer("custom", {"function": f"scorers.py:{name}", **parameters}, task_dir=folder)(SUBJECT)


def test_a_bool_is_passed_or_not(tmp_path: Path) -> None:
    judged = judge(tmp_path, "def score(subject): return subject.output['a'] == 'x'\n")
    assert (judged.status, judged.passed, judged.value) == ("scored", False, 0.0)


def test_a_number_is_a_value_without_a_verdict(tmp_path: Path) -> None:
    judged = judge(tmp_path, "def score(subject): return len(subject.input['text']) / 10\n")
    assert (judged.status, judged.passed, judged.value) == ("scored", None, 0.5)


def test_a_judged_is_taken_as_it_is(tmp_path: Path) -> None:
    source = "from assay.checks import unscored\ndef score(subject): return unscored('no table in it')\n"
    assert judge(tmp_path, source) == CheckResult("unscored", None, None, None, "no table in it")


@pytest.mark.parametrize(
    ("gives", "answer", "expected"),
    [
        ("number", "1", ("scored", None, 1.0)),
        ("number", "0.0", ("scored", None, 0.0)),
        ("number", "True", ("failed", None, None)),
        ("number", "passed(False)", ("failed", None, None)),
        ("number", "unscored('none')", ("unscored", None, None)),
        ("pass", "False", ("scored", False, 0.0)),
        ("pass", "1", ("failed", None, None)),
        ("pass", "measured(0.5)", ("failed", None, None)),
    ],
)
def test_a_result_of_another_kind_than_stated_is_failed(
    tmp_path: Path, gives: str, answer: str, expected: tuple[object, ...]
) -> None:
    source = f"from assay.checks import measured, passed, unscored\ndef score(subject): return {answer}\n"
    judged = judge(tmp_path, source, gives=gives)
    assert (judged.status, judged.passed, judged.value) == expected
    assert judged.status != "failed" or f"task.yml states `gives: {gives}`" in (judged.explanation or "")


def test_gives_is_pass_or_number_and_part_of_the_version(tmp_path: Path) -> None:
    (tmp_path / "scorers.py").write_text("def score(subject): return 1\n", "utf-8")
    plain = {"function": "scorers.py:score"}
    (error,) = parameter_errors("custom", {**plain, "gives": "numbers"})
    versions = {scorer_version("custom", given, task_dir=tmp_path) for given in (plain, {**plain, "gives": "number"})}
    assert str(error) == "custom: parameter 'gives': expected pass or number, found 'numbers'"
    assert len(versions) == 2


def test_an_exception_is_failed_with_its_type_and_line_and_no_content(tmp_path: Path) -> None:
    judged = judge(tmp_path, "def score(subject):\n    raise KeyError(subject.output['a'])\n")
    assert judged == CheckResult("failed", None, None, None, "scorers.py:score raised KeyError in line 2")


@pytest.mark.parametrize("answer", ["'yes'", "None", "[1]"])
def test_an_answer_of_another_kind_is_failed(tmp_path: Path, answer: str) -> None:
    judged = judge(tmp_path, f"def score(subject): return {answer}\n")
    assert (judged.status, judged.value) == ("failed", None)
    assert "expected a CheckResult, a bool or a number" in (judged.explanation or "")


def test_a_score_that_is_not_finite_is_failed(tmp_path: Path) -> None:
    assert judge(tmp_path, "def score(subject): return float('nan')\n").status == "failed"


def test_an_edited_file_is_used_at_once(tmp_path: Path) -> None:
    assert judge(tmp_path, "def score(subject): return 1.0\n").value == 1.0
    assert judge(tmp_path, "def score(subject): return 2.0\n").value == 2.0


def test_files_of_the_same_name_in_two_tasks_are_kept_apart(tmp_path: Path) -> None:
    for name, value in (("one", 1), ("two", 2)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "scorers.py").write_text(f"ANSWER = {value}\ndef score(subject): return ANSWER\n")
    scorers = [
        build_scorer("custom", {"function": "scorers.py:score"}, task_dir=tmp_path / name) for name in ("one", "two")
    ]
    assert [scorer(SUBJECT).value for scorer in scorers] == [1.0, 2.0]


def test_a_dataclass_in_the_file_works(tmp_path: Path) -> None:
    source = (
        "from __future__ import annotations\nfrom dataclasses import dataclass\n"
        "@dataclass\nclass Rule:\n    word: str\n"
        "def score(subject): return Rule('secret').word in subject.output['a']\n"
    )
    assert judge(tmp_path, source).passed is True


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("x = 1\ndef score(subject:\n", r"scorers.py, line 2: SyntaxError"),
        ("\n\nimport no_such_module_anywhere\n", r"scorers.py, line 3: ModuleNotFoundError: No module named"),
        ("x = 1 / 0\n", r"scorers.py, line 1: ZeroDivisionError"),
        ("def other(subject): return True\n", r"has no function 'score'; its functions: other"),
        ("score = 3\n", r"has no function 'score'; its functions: none"),
        ("\ndef score(): return True\n", r"line 2: expected a function with one argument, the scored item"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_with_its_line(tmp_path: Path, source: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        judge(tmp_path, source)


def test_a_missing_file_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"scorers.py cannot be read: No such file or directory"):
        build_scorer("custom", {"function": "scorers.py:score"}, task_dir=tmp_path)
