"""Which types of checks exist, what parameters each takes, and how one is made; its version says when scores compare.

The checks themselves are in `builtin` and `custom`; reading them from `task.yml` belongs to `tasks`.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from assay.checks import builtin
from assay.checks.custom import FUNCTION, custom, source_of
from assay.checks.scoring import Scorer, is_number, shown
from assay.errors import UsageError


@dataclass(frozen=True)
class Kind:
    """What a parameter may be, in words and as a test."""

    expected: str
    accepts: Callable[[object], bool]


@dataclass(frozen=True)
class CheckType:
    """One type of check: how it is made, and its parameters; of `any_of` at least one must be given."""

    build: Callable[[Mapping[str, object]], Scorer] | None
    required: Mapping[str, Kind]
    optional: Mapping[str, Kind]
    any_of: tuple[str, ...] = ()


def _is_text(value: object) -> bool:
    return isinstance(value, str) and value != ""


def _is_scalar(value: object) -> bool:
    return value is None or isinstance(value, str | bool) or is_number(value)


def _is_list_of(accepts: Callable[[object], bool]) -> Callable[[object], bool]:
    return lambda value: isinstance(value, list | tuple) and len(value) > 0 and all(map(accepts, value))


_FIELD = Kind("the name or dotted path of an output field", _is_text)
_FLAG = Kind("true or false", lambda value: isinstance(value, bool))
_NUMBER = Kind("a number", is_number)
_COUNT = Kind(
    "a whole number from 0", lambda value: isinstance(value, int) and not isinstance(value, bool) and value >= 0
)
_TEXTS = Kind("a list of texts", _is_list_of(_is_text))
_VALUES = Kind("a list of texts, numbers, true, false or null", _is_list_of(_is_scalar))
_PATTERN = Kind("a regular expression of Python's re module", _is_text)
_UNIT = Kind("'characters' or 'words'", lambda value: value in ("characters", "words"))
_FUNCTION = Kind(
    "'file.py:function' in the task folder", lambda value: isinstance(value, str) and bool(FUNCTION.fullmatch(value))
)

CHECK_TYPES: Mapping[str, CheckType] = {
    "exact_match": CheckType(builtin.exact_match, {"field": _FIELD}, {"ignore_case": _FLAG, "strip": _FLAG}),
    "allowed_value": CheckType(builtin.allowed_value, {"field": _FIELD, "values": _VALUES}, {}),
    "valid_schema": CheckType(builtin.valid_schema, {}, {}),
    "valid_json": CheckType(builtin.valid_json, {"field": _FIELD}, {}),
    "regex": CheckType(builtin.regex, {"field": _FIELD, "pattern": _PATTERN}, {"must_match": _FLAG}),
    "numeric_range": CheckType(
        builtin.numeric_range, {"field": _FIELD}, {"min": _NUMBER, "max": _NUMBER}, ("min", "max")
    ),
    "length": CheckType(
        builtin.length, {"field": _FIELD}, {"min": _COUNT, "max": _COUNT, "unit": _UNIT}, ("min", "max")
    ),
    "contains": CheckType(builtin.contains, {"field": _FIELD, "values": _TEXTS}, {"ignore_case": _FLAG}),
    "not_contains": CheckType(builtin.not_contains, {"field": _FIELD, "values": _TEXTS}, {"ignore_case": _FLAG}),
    "custom": CheckType(None, {"function": _FUNCTION}, {}),
}


def build_scorer(type: str, parameters: Mapping[str, object], *, task_dir: Path) -> Scorer:
    """The scorer, ready to be called; a pattern is compiled and a custom file loaded already.

    Raises:
        UsageError: the type or a parameter is wrong, or the custom file cannot be loaded.
    """
    _refuse_wrong(type, parameters)
    build = CHECK_TYPES[type].build
    return custom(parameters, task_dir=task_dir) if build is None else build(parameters)


def parameter_errors(type: str, parameters: Mapping[str, object]) -> list[str]:
    """One line per mistake, each with what was expected and found; empty when the check can be made."""
    if type not in CHECK_TYPES:
        return [
            f"check type {shown(type)} is not known: expected one of {', '.join(CHECK_TYPES)}{_nearest(type, CHECK_TYPES)}"
        ]
    declared = CHECK_TYPES[type]
    kinds = {**declared.required, **declared.optional}
    errors = [
        f"{type}: parameter {name!r} is missing: expected {kind.expected}, found nothing"
        for name, kind in declared.required.items()
        if name not in parameters
    ]
    if declared.any_of and not any(name in parameters for name in declared.any_of):
        errors.append(f"{type}: expected at least one of {' and '.join(declared.any_of)}, found neither")
    for name, value in parameters.items():
        if name not in kinds:
            errors.append(
                f"{type}: parameter {shown(name)} is not known: expected {', '.join(kinds) or 'no parameters'}{_nearest(name, kinds)}"
            )
        elif not kinds[name].accepts(value):
            errors.append(f"{type}: parameter {name!r}: expected {kinds[name].expected}, found {shown(value)}")
    return errors or _joint_errors(type, parameters)


def scorer_version(type: str, parameters: Mapping[str, object], *, task_dir: Path) -> str:
    """16 hex digits that change with the type, a parameter, the checks' code version or a custom file's bytes.

    Raises:
        UsageError: the type or a parameter is wrong, or the custom file cannot be read.
    """
    _refuse_wrong(type, parameters)
    stated = {"type": type, "parameters": dict(parameters), "builtin_version": builtin.BUILTIN_VERSION}
    digest = hashlib.sha256(json.dumps(stated, sort_keys=True, separators=(",", ":")).encode())
    if CHECK_TYPES[type].build is None:
        digest.update(b"\0" + source_of(str(parameters["function"]), task_dir))
    return digest.hexdigest()[:16]


def _refuse_wrong(type: str, parameters: Mapping[str, object]) -> None:
    if errors := parameter_errors(type, parameters):
        raise UsageError("; ".join(errors))


def _joint_errors(type: str, parameters: Mapping[str, object]) -> list[str]:
    """Mistakes of parameters that are each of the right kind."""
    low, high = parameters.get("min"), parameters.get("max")
    if isinstance(low, int | float) and isinstance(high, int | float) and low > high:
        return [f"{type}: expected min to be at most max, found min {low} and max {high}"]
    if type == "regex":
        try:
            re.compile(str(parameters["pattern"]))
        except re.error as error:
            return [
                f"regex: parameter 'pattern': expected {_PATTERN.expected}, found {shown(parameters['pattern'])} ({error})"
            ]
    return []


def _nearest(name: object, known: Mapping[str, object]) -> str:
    close = get_close_matches(str(name), known, n=1)
    return f"; did you mean {close[0]!r}?" if close else ""
