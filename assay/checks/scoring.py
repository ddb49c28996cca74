"""The interface of checks: the scored item and the result, which distinguishes failed, unscored and a score of 0."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from assay.records.statuses import PredictionStatus, ScoreStatus

JsonObject = dict[str, object]

SHOWN_CHARACTERS = 80
SCORED, UNSCORED, FAILED = ScoreStatus.SCORED, ScoreStatus.UNSCORED, ScoreStatus.FAILED


@dataclass(frozen=True)
class CheckResult:
    """The result of one check; `value` and `passed` are None unless scored. The caller masks the explanation."""

    status: ScoreStatus
    value: float | None
    label: str | None
    passed: bool | None
    explanation: str | None


@dataclass(frozen=True)
class ScoredItem:
    """The item that a check scores: a prediction's output and status, with its record's input and expected value."""

    output: JsonObject | None
    expected: JsonObject | None
    input: JsonObject
    status: PredictionStatus


class Scorer(Protocol):
    """A pure function: equal items have equal results."""

    def __call__(self, item: ScoredItem) -> CheckResult:
        """Returns the result; never raises an exception."""
        ...


class Unscorable(Exception):
    """Raised inside a check when the scored item lacks what the check needs; the message is the reason."""


def passed(is_passed: bool, explanation: str | None = None, *, label: str | None = None) -> CheckResult:  # noqa: FBT001 - the outcome is the main argument
    """Returns a result of passed (value 1) or not passed (value 0)."""
    return CheckResult(SCORED, 1.0 if is_passed else 0.0, label, is_passed, explanation)


def measured(value: float, explanation: str | None = None) -> CheckResult:
    """Returns a numeric result that is neither a pass nor a fail.

    Raises:
        ValueError: the value is not finite, so means would be undefined.
    """
    if not math.isfinite(value):
        raise ValueError(f"score {value}: expected a finite number")
    return CheckResult(SCORED, float(value), None, None, explanation)


def unscored(reason: str) -> CheckResult:
    """Returns a result without a score, which is different from a score of 0."""
    return CheckResult(UNSCORED, None, None, None, reason)


def failed(reason: str) -> CheckResult:
    """Returns the result of a check that raised an error; it is not a score of the prediction."""
    return CheckResult(FAILED, None, None, None, reason)


def on_output(judge: Callable[[JsonObject, ScoredItem], CheckResult]) -> Scorer:
    """Returns a scorer that calls `judge`; unscored without an output, or if `judge` raises `Unscorable`."""

    def score(item: ScoredItem) -> CheckResult:
        if item.output is None:
            return unscored(f"no output: {item.status}")
        try:
            return judge(item.output, item)
        except Unscorable as reason:
            return unscored(str(reason))

    return score


def value_at(document: object, path: str, *, where: str) -> object:
    """Returns the value at a dotted path such as `customer.name` or `items.0.sku`; a field name with dots wins.

    Raises:
        Unscorable: there is no such value; `where` names the document.
    """
    if isinstance(document, dict) and path in document:
        return document[path]
    value = document
    for step in path.split("."):
        if isinstance(value, dict) and step in value:
            value = value[step]
        elif isinstance(value, list) and step.isdecimal() and int(step) < len(value):
            value = value[int(step)]
        else:
            raise Unscorable(f"{where} has no {path!r}")
    return value


def text_at(document: object, path: str) -> str:
    """Returns the string at a path of the output.

    Raises:
        Unscorable: there is no value, or it is not a string.
    """
    value = value_at(document, path, where="output")
    if not isinstance(value, str):
        raise Unscorable(f"{path}: expected text, found {shown(value)}")
    return value


def is_number(value: object) -> bool:
    """True for a finite number; a boolean is not a number."""
    if isinstance(value, float):
        return math.isfinite(value)
    return isinstance(value, int) and not isinstance(value, bool)


def shown(value: object) -> str:
    """Returns the value as displayed in an explanation, truncated to 80 characters."""
    text = repr(value)
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}…"
