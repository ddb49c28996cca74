"""Custom checks: Python functions in the task folder. An exception in one becomes a status, never a score."""

from __future__ import annotations

import hashlib
import importlib.util
import inspect
import os
import sys
from collections.abc import Callable
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import Annotated, ClassVar, cast

from pydantic import Field

from assay.checks.check import Check
from assay.checks.scoring import CheckResult, ScoredItem, Scorer, failed, measured, passed, shown
from assay.errors import UsageError
from assay.records.statuses import ResultKind, ScoreStatus
from assay.tasks.files import read_file, reason
from assay.tasks.user_code import UserCodeError, user_code


class CustomFunction(Check):
    """Calls a function in the task folder; if it raises or returns a wrong type, the result is failed, never 0."""

    type: ClassVar[str] = "custom"
    version: ClassVar[int] = 1

    function: Annotated[
        str, Field(pattern=r"^[\w\-]+\.py:[A-Za-z_]\w*$", description="'file.py:function' in the task folder")
    ]
    gives: Annotated[ResultKind | None, Field(strict=False, description="pass or number")] = None
    """What the function returns: a result of the other kind is failed. None accepts both."""

    def scorer(self, task_dir: Path, /) -> Scorer:
        """Returns the function as a scorer.

        Raises:
            UsageError: the file or the function is missing, cannot be loaded or does not take exactly one argument.
        """
        stated, gives = self.function, self.gives
        function = _load(stated, task_dir)

        def score(item: ScoredItem) -> CheckResult:
            try:
                with user_code(task_dir):
                    return _of_kind(_result(function(item), stated), stated, gives=gives)
            # It must not end the run, and its message may contain personal data.
            except UserCodeError as error:
                return failed(f"{stated} raised {type(error.cause).__name__} in line {error.line or 'unknown'}")

        return score

    def source(self, task_dir: Path, /) -> bytes:
        """Returns the bytes of the file, see `Check.source`."""
        return _source_of(self.function, task_dir)


def _source_of(stated: str, task_dir: Path) -> bytes:
    """Returns the bytes of the file in `file.py:function`.

    Raises:
        UsageError: the file cannot be read.
    """
    path = task_dir / stated.partition(":")[0]
    try:
        return read_file(path)
    except OSError as error:
        raise UsageError(
            f"Scorer {stated!r}: {path} cannot be read: {reason(error)}",
            next_step="add this file to the task folder, or correct `function` in task.yml.",
        ) from error


def _load(stated: str, task_dir: Path) -> Callable[[ScoredItem], object]:
    path, _, name = stated.partition(":")
    module = _module(task_dir / path, _source_of(stated, task_dir))
    function = getattr(module, name, None)
    if not callable(function):
        raise UsageError(
            f"Scorer {stated!r}: {task_dir / path} has no function {name!r}; its functions: {_functions(module)}",
            next_step="define it, or correct `function` in task.yml.",
        )
    try:
        inspect.signature(function).bind(object())
    except TypeError as error:
        line = function.__code__.co_firstlineno if inspect.isfunction(function) else 1
        raise UsageError(
            f"Scorer {stated!r}: {task_dir / path}, line {line}: expected a function with one argument, the scored item: {error}",
            next_step="change the function's parameters.",
        ) from error
    return cast("Callable[[ScoredItem], object]", function)


def _module(path: Path, source: bytes) -> ModuleType:
    """Returns the file's module, executed once per content; cached bytecode is not used."""
    digest = hashlib.sha256(os.path.realpath(path).encode() + b"\0" + source).hexdigest()[:16]
    name = f"assay_task_scorers_{digest}"
    if name in sys.modules:
        return sys.modules[name]
    loader = SourceFileLoader(name, str(path))
    spec = importlib.util.spec_from_loader(name, loader)
    if spec is None:
        raise UsageError(
            f"Scorer file {path} is not a Python file", next_step="set `function` to a function of a .py file."
        )
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # Dataclasses in the file look up their module here.
    try:
        with user_code(path.parent):
            exec(loader.source_to_code(source, str(path)), module.__dict__)  # noqa: S102 - the user's own scorer, as an import would run it
    except UserCodeError as error:
        del sys.modules[name]
        raise UsageError(
            f"Scorer file {path}, line {error.line or 'unknown'}: {error}; the file cannot be imported",
            next_step="fix the error in this file.",
        ) from error
    return module


def _result(value: object, stated: str) -> CheckResult:
    if isinstance(value, CheckResult):
        return value
    if isinstance(value, bool):
        return passed(value, f"{stated} returned {value}")
    if isinstance(value, int | float):
        return measured(value, f"{stated} returned {value}")
    return failed(f"{stated} returned {shown(value)}: expected a CheckResult, a bool or a number")


def _of_kind(result: CheckResult, stated: str, *, gives: ResultKind | None) -> CheckResult:
    """Returns the result; failed if it has a score of another kind than the check gives according to `gives`."""
    found = ResultKind.NUMBER if result.passed is None else ResultKind.PASS
    if gives is None or result.status != ScoreStatus.SCORED or found == gives:
        return result
    what = "a number" if found == ResultKind.NUMBER else "a pass or fail"
    return failed(f"{stated} returned {what}, but task.yml states `gives: {gives}`: correct the function or `gives`")


def _functions(module: ModuleType) -> str:
    names = [
        name for name, item in vars(module).items() if inspect.isfunction(item) and item.__module__ == module.__name__
    ]
    return ", ".join(sorted(names)) or "none"
