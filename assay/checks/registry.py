"""The registry of check types, and the construction of a check from its declaration in a task."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from assay.checks.builtin.allowed_value import AllowedValue
from assay.checks.builtin.contains import Contains, NotContains
from assay.checks.builtin.exact_match import ExactMatch
from assay.checks.builtin.length import Length
from assay.checks.builtin.numeric_range import NumericRange
from assay.checks.builtin.regex import Regex
from assay.checks.builtin.valid_json import ValidJson
from assay.checks.builtin.valid_schema import ValidSchema
from assay.checks.check import Check, CheckError, ComparedField
from assay.checks.custom import CustomFunction
from assay.checks.output_schema import nearest
from assay.checks.scoring import Scorer, shown
from assay.errors import UsageError

CHECK_TYPES: Mapping[str, type[Check]] = {
    check.type: check
    for check in (
        ExactMatch,
        AllowedValue,
        ValidSchema,
        ValidJson,
        Regex,
        NumericRange,
        Length,
        Contains,
        NotContains,
        CustomFunction,
    )
}


def build_scorer(type: str, parameters: Mapping[str, object], *, task_dir: Path) -> Scorer:
    """Returns the scorer; the file of a custom check is loaded in the process.

    Raises:
        UsageError: the type or a parameter is wrong, or the custom file cannot be loaded.
    """
    return _check(type, parameters).scorer(task_dir)


def parameter_errors(type: str, parameters: Mapping[str, object]) -> list[CheckError]:
    """Returns the errors, each with the expected and the found value; empty if the check is valid."""
    if type not in CHECK_TYPES:
        known = f"expected one of {', '.join(CHECK_TYPES)}{nearest(type, CHECK_TYPES)}"
        return [CheckError(f"check type {shown(type)} is unknown; {known}", "type")]
    return CHECK_TYPES[type].parameter_errors(parameters)


def output_errors(type: str, parameters: Mapping[str, object], *, schema: Mapping[str, Any]) -> list[CheckError]:
    """Returns why a valid check scores no output of this JSON schema; empty if it can score one."""
    return _check(type, parameters).output_errors(schema)


def compared_field(type: str, parameters: Mapping[str, object]) -> ComparedField | None:
    """Returns the field that a valid check compares with the expected value; None if it compares none."""
    return _check(type, parameters).compared_field()


def scorer_version(type: str, parameters: Mapping[str, object], *, task_dir: Path) -> str:
    """Returns 16 hexadecimal digits that depend on type, parameters, the check's version and a custom file's content.

    Raises:
        UsageError: the type or a parameter is wrong, or the custom file cannot be read.
    """
    return _check(type, parameters).scorer_version(task_dir)


def _check(type: str, parameters: Mapping[str, object]) -> Check:
    if errors := parameter_errors(type, parameters):
        raise UsageError("; ".join(map(str, errors)))
    return CHECK_TYPES[type].model_validate(parameters)
