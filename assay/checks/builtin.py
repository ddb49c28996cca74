"""The checks that come with Assay, each made from its parameters; parameters were checked by `registry` before.

A check judges one field of one output. What needs a model or a person is no check.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from functools import partial
from typing import NoReturn, cast

from assay.checks.scoring import (
    CheckResult,
    JsonObject,
    Scorer,
    Subject,
    is_number,
    on_output,
    passed,
    shown,
    text_at,
    unscored,
    value_at,
)

BUILTIN_VERSION = 1
"""Rises with every change of what a check answers, so that scores before and after are told apart."""

Parameters = Mapping[str, object]


def exact_match(parameters: Parameters) -> Scorer:
    """Passes when the field equals the case's expected value; numbers by value, true is not 1."""
    field = _text(parameters, "field")
    plain = partial(_plain, strip=bool(parameters.get("strip")), ignore_case=bool(parameters.get("ignore_case")))

    def judge(output: JsonObject, subject: Subject) -> CheckResult:
        expected = value_at(subject.expected, field, where="the case's expected answer")
        found = value_at(output, field, where="output")
        return passed(
            _same(plain(expected), plain(found)), f"{field}: expected {shown(expected)}, found {shown(found)}"
        )

    return on_output(judge)


def allowed_value(parameters: Parameters) -> Scorer:
    """Passes when the field is one of the values."""
    field, values = _text(parameters, "field"), cast("list[object]", parameters["values"])

    def judge(output: JsonObject, _: Subject) -> CheckResult:
        found = value_at(output, field, where="output")
        is_allowed = any(_same(value, found) for value in values)
        return passed(is_allowed, f"{field}: expected one of {shown(values)}, found {shown(found)}")

    return on_output(judge)


def valid_schema(_: Parameters) -> Scorer:
    """Passes when the model's answer took the form of the output schema, at once or after repair.

    An answer that never did (`invalid_output`) is judged and does not pass. Where the model gave no answer (failed,
    refused, skipped) or the declared fallback stands in for it, there is nothing to judge.
    """

    def score(subject: Subject) -> CheckResult:
        if subject.status in ("ok", "repaired") and subject.output is not None:
            return passed(True, f"expected an output that fits the schema, found one ({subject.status})")
        if subject.status == "invalid_output":
            return passed(False, "expected an output that fits the schema, found none after repair")
        return unscored(f"no output: {subject.status}")

    return score


def valid_json(parameters: Parameters) -> Scorer:
    """Passes when the field's text is one JSON document (RFC 8259: no NaN, no trailing text)."""
    field = _text(parameters, "field")

    def judge(output: JsonObject, _: Subject) -> CheckResult:
        text = text_at(output, field)
        try:
            json.loads(text, parse_constant=_no_constant)
        except RecursionError:
            return unscored(f"{field}: nested too deeply to be read")
        except ValueError as error:
            return passed(False, f"{field}: expected JSON text, found {shown(text)} ({error})")
        return passed(True, f"{field}: expected JSON text, found it")

    return on_output(judge)


def regex(parameters: Parameters) -> Scorer:
    """Passes when the pattern is found anywhere in the field's text, or is not found with `must_match: false`."""
    field, pattern = _text(parameters, "field"), re.compile(_text(parameters, "pattern"))
    must_match = parameters.get("must_match", True) is not False

    def judge(output: JsonObject, _: Subject) -> CheckResult:
        text = text_at(output, field)
        wanted = "a match of" if must_match else "no match of"
        return passed(
            bool(pattern.search(text)) is must_match,
            f"{field}: expected {wanted} {pattern.pattern!r}, found {shown(text)}",
        )

    return on_output(judge)


def numeric_range(parameters: Parameters) -> Scorer:
    """Passes when the field is a number between `min` and `max`, both included."""
    field = _text(parameters, "field")
    low, high = _bounds(parameters)

    def judge(output: JsonObject, _: Subject) -> CheckResult:
        found = value_at(output, field, where="output")
        if not is_number(found):
            return unscored(f"{field}: expected a number, found {shown(found)}")
        return passed(low <= cast(float, found) <= high, f"{field}: expected {_range(low, high)}, found {shown(found)}")

    return on_output(judge)


def length(parameters: Parameters) -> Scorer:
    """Passes when the field's text has between `min` and `max` characters (code points) or words, both included."""
    field, unit = _text(parameters, "field"), str(parameters.get("unit", "characters"))
    low, high = _bounds(parameters)

    def judge(output: JsonObject, _: Subject) -> CheckResult:
        text = text_at(output, field)
        found = len(text.split()) if unit == "words" else len(text)
        return passed(low <= found <= high, f"{field}: expected {_range(low, high)} {unit}, found {found}")

    return on_output(judge)


def contains(parameters: Parameters) -> Scorer:
    """Passes when every one of the values stands in the field's text."""
    return _containing(parameters, wanted=True)


def not_contains(parameters: Parameters) -> Scorer:
    """Passes when none of the values stands in the field's text."""
    return _containing(parameters, wanted=False)


def _containing(parameters: Parameters, *, wanted: bool) -> Scorer:
    field, values = _text(parameters, "field"), cast("list[str]", parameters["values"])
    ignore_case = bool(parameters.get("ignore_case"))

    def judge(output: JsonObject, _: Subject) -> CheckResult:
        text = text_at(output, field)
        searched = text.casefold() if ignore_case else text
        present = [value for value in values if (value.casefold() if ignore_case else value) in searched]
        if wanted:
            missing = [value for value in values if value not in present]
            return passed(not missing, f"{field}: expected all of {shown(values)}, missing {shown(missing)}")
        return passed(not present, f"{field}: expected none of {shown(values)}, found {shown(present)}")

    return on_output(judge)


def _text(parameters: Parameters, name: str) -> str:
    return cast(str, parameters[name])


def _bounds(parameters: Parameters) -> tuple[float, float]:
    low, high = parameters.get("min"), parameters.get("max")
    return (-math.inf if low is None else cast(float, low)), (math.inf if high is None else cast(float, high))


def _range(low: float, high: float) -> str:
    if low == -math.inf:
        return f"at most {high}"
    return f"at least {low}" if high == math.inf else f"{low} to {high}"


def _plain(value: object, *, strip: bool, ignore_case: bool) -> object:
    """The value without what a comparison is to overlook in a text."""
    if not isinstance(value, str):
        return value
    stripped = value.strip() if strip else value
    return stripped.casefold() if ignore_case else stripped


def _same(left: object, right: object) -> bool:
    """JSON equality: 1 equals 1.0, true does not equal 1, also inside lists and objects."""
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(_same, left, right))
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(_same(left[name], right[name]) for name in left)
    return left == right


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")
