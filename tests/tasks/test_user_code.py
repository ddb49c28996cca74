"""Whatever the task's own Python raises is an issue with its file and line, also where it would end the process."""

from __future__ import annotations

from pathlib import Path

import pytest

from assay.checks import build_scorer
from assay.inference.validation import Invalid, validate
from assay.tasks.user_code import UserCodeError, user_code
from tests.fakes.task_folder import TaskFolder

RAISED = ["sys.exit(0)", "raise KeyboardInterrupt", "raise GeneratorExit", "1 / 0", "raise SystemExit('x')"]
VALIDATOR = """
import sys
from pydantic import BaseModel, field_validator


class Answer(BaseModel):
    label: str

    @field_validator("label")
    @classmethod
    def valid(cls, value):
        {}
"""


ANNOTATED = """
import sys
from typing import Annotated
from pydantic import AfterValidator, BaseModel

def valid(value):
    {}


class Answer(BaseModel):
    label: Annotated[str, AfterValidator(valid)]
"""


@pytest.fixture(autouse=True)
def in_a_command(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C is a `StopRequested` in a command, so another `KeyboardInterrupt` is the task's own."""
    monkeypatch.setattr("assay.stop_signals._STATE.installed", True)


@pytest.fixture
def folder(tmp_path: Path) -> TaskFolder:
    return TaskFolder(tmp_path)


@pytest.mark.parametrize("raised", RAISED)
@pytest.mark.parametrize(("file", "line"), [("output.py", 12), ("checks.py", 4)])
def test_at_import(folder: TaskFolder, file: str, line: int, raised: str) -> None:
    text = (folder.path / file).read_text("utf-8")
    folder.write(file, f"{text}import sys\n{raised}\n")
    [issue] = folder.issues()
    assert file in str(issue)
    assert f"{file}:{line}:" in str(issue) or f"{file}, line {line}:" in str(issue)


@pytest.mark.parametrize("raised", RAISED)
def test_in_a_validator(folder: TaskFolder, raised: str) -> None:
    folder.write("output.py", VALIDATOR.format(raised))
    [issue] = folder.issues()  # of the fallback
    assert "Answer raised" in str(issue)
    assert "in line 12" in str(issue)


@pytest.mark.parametrize("raised", RAISED)
def test_in_a_validator_of_a_type(folder: TaskFolder, raised: str) -> None:
    folder.write("output.py", ANNOTATED.format(raised))
    cases = [str(issue) for issue in folder.issues() if "cases.jsonl" in str(issue)]
    assert len(cases) == 3
    assert [text for text in cases if "Answer raised" not in text or "in line 7" not in text] == []


@pytest.mark.parametrize("raised", RAISED)
def test_in_a_validator_of_a_response(raised: str) -> None:
    namespace: dict[str, object] = {}
    exec(VALIDATOR.format(raised), namespace)  # noqa: S102 - the code above
    assert isinstance(validate('{"label": "x"}', namespace["Answer"]), Invalid)  # type: ignore[arg-type]


@pytest.mark.parametrize("raised", RAISED)
def test_in_a_check(folder: TaskFolder, raised: str) -> None:
    folder.write("checks.py", f"import sys\ndef is_short(subject):\n    {raised}\n")
    scorer = build_scorer("custom", {"function": "checks.py:is_short"}, task_dir=folder.path)
    assert "in line 3" in str(scorer(object()))  # type: ignore[arg-type]


def test_a_stop_signal_is_none_of_its_own(tmp_path: Path) -> None:
    from assay.stop_signals import StopRequested

    with pytest.raises(StopRequested), user_code(tmp_path):
        raise StopRequested
    with pytest.raises(UserCodeError), user_code(tmp_path):
        raise KeyboardInterrupt


def test_elsewhere_than_in_a_command_ctrl_c_is_not_converted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("assay.stop_signals._STATE.installed", False)
    with pytest.raises(KeyboardInterrupt), user_code(tmp_path):
        raise KeyboardInterrupt
