"""A task's own scorers: Python functions in the task folder, loaded from the file as it is now.

Belongs here: finding, loading and calling such a function. Its errors become a status, never a score.
"""

from __future__ import annotations

import hashlib
import importlib.util
import inspect
import sys
import traceback
from collections.abc import Callable
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import Annotated, ClassVar, cast

from pydantic import Field

from assay.checks.check import Check
from assay.checks.scoring import CheckResult, Scorer, Subject, failed, measured, passed, shown
from assay.errors import UsageError


class CustomFunction(Check):
    """Calls a function of the task folder; what it raises or wrongly returns is status 'failed' with the reason, never a 0."""

    type: ClassVar[str] = "custom"
    version: ClassVar[int] = 1

    function: Annotated[
        str, Field(pattern=r"^[\w\-]+\.py:[A-Za-z_]\w*$", description="'file.py:function' in the task folder")
    ]

    def scorer(self, task_dir: Path, /) -> Scorer:
        """The function as a scorer.

        Raises:
            UsageError: the file or the function is missing, cannot be loaded or does not take one subject.
        """
        stated = self.function
        function = _load(stated, task_dir)

        def score(subject: Subject) -> CheckResult:
            try:
                answer = function(subject)
                return _judged(answer, stated)
            # The user's code may raise anything; one broken scorer must not end the run, and a message may quote the text.
            except Exception as error:  # noqa: BLE001
                return failed(f"{stated} raised {type(error).__name__} in line {_line_of(error, task_dir)}")

        return score

    def source(self, task_dir: Path, /) -> bytes:
        """The bytes of the file, see `Check.source`."""
        return _source_of(self.function, task_dir)


def _source_of(stated: str, task_dir: Path) -> bytes:
    """The bytes of the file that `file.py:function` names.

    Raises:
        UsageError: the file cannot be read.
    """
    path = task_dir / stated.partition(":")[0]
    try:
        return path.read_bytes()
    except OSError as error:
        raise UsageError(
            f"Scorer {stated!r}: cannot read {path} ({error.strerror}): expected a Python file in the task folder",
            next_step="add it or correct `function`.",
        ) from error


def _load(stated: str, task_dir: Path) -> Callable[[Subject], object]:
    path, _, name = stated.partition(":")
    module = _module(task_dir / path, _source_of(stated, task_dir))
    function = getattr(module, name, None)
    if not callable(function):
        raise UsageError(
            f"Scorer {stated!r}: {task_dir / path} has no function {name!r}: found {_functions(module)}",
            next_step="correct `function` or define it.",
        )
    try:
        inspect.signature(function).bind(object())
    except TypeError as error:
        line = function.__code__.co_firstlineno if inspect.isfunction(function) else 1
        raise UsageError(
            f"Scorer {stated!r}: {task_dir / path}, line {line}: expected a function of one argument, the subject; found {error}."
        ) from error
    return cast("Callable[[Subject], object]", function)


def _module(path: Path, source: bytes) -> ModuleType:
    """The file's module, executed once per content; a stale bytecode file is never used."""
    digest = hashlib.sha256(str(path.resolve()).encode() + b"\0" + source).hexdigest()[:16]
    name = f"assay_task_scorers_{digest}"
    if name in sys.modules:
        return sys.modules[name]
    loader = SourceFileLoader(name, str(path))
    spec = importlib.util.spec_from_loader(name, loader)
    if spec is None:
        raise UsageError(f"Scorer file {path} cannot be loaded: expected a Python file.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses in the file look their module up here
    try:
        exec(loader.source_to_code(source, str(path)), module.__dict__)
    # A file's top level may raise anything; whatever it is, the user reads the file and the line.
    except Exception as error:
        del sys.modules[name]
        line = error.lineno if isinstance(error, SyntaxError) else _line_of(error, path.parent)
        raise UsageError(
            f"Scorer file {path}, line {line}: {type(error).__name__}: {error}; expected Python that can be imported",
            next_step="correct the file.",
        ) from error
    return module


def _judged(answer: object, stated: str) -> CheckResult:
    if isinstance(answer, CheckResult):
        return answer
    if isinstance(answer, bool):
        return passed(answer, f"{stated} answered {answer}")
    if isinstance(answer, int | float):
        return measured(answer, f"{stated} answered {answer}")
    return failed(f"{stated} returned {shown(answer)}: expected a Judged, a bool or a number")


def _line_of(error: Exception, folder: Path) -> int | str:
    """The last line of the folder's own code that the error went through."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if Path(frame.filename).parent == folder]
    line = frames[-1].lineno if frames else None
    return "unknown" if line is None else line


def _functions(module: ModuleType) -> str:
    names = [
        name for name, item in vars(module).items() if inspect.isfunction(item) and item.__module__ == module.__name__
    ]
    return ", ".join(sorted(names)) or "none"
