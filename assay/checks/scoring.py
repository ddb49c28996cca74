"""What a scorer is given and what it answers; "failed", "could not be scored" and "scored 0" are never the same.

The scorers themselves are in `builtin` and, for a task's own Python, in `custom`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

JsonObject = dict[str, object]

SHOWN_CHARACTERS = 80


@dataclass(frozen=True)
class CheckResult:
    """One judgement; `value` and `passed` are None unless the status is 'scored'. The caller scrubs the explanation."""

    status: Literal["scored", "unscored", "failed"]
    value: float | None
    label: str | None
    passed: bool | None
    explanation: str | None


@dataclass(frozen=True)
class Subject:
    """What is judged: the output of a prediction, its status, the record's input and what the case expects."""

    output: JsonObject | None
    expected: JsonObject | None
    input: JsonObject
    status: str


class Scorer(Protocol):
    """A pure function: equal subjects get equal judgements."""

    def __call__(self, subject: Subject) -> CheckResult:
        """The judgement; it does not raise for anything in the subject."""
        ...


class Unscorable(Exception):
    """Raised inside a check where the subject gives nothing to judge; its text is the reason."""


def passed(is_passed: bool, explanation: str | None = None, *, label: str | None = None) -> CheckResult:
    """A judgement of yes (value 1) or no (value 0)."""
    return CheckResult("scored", 1.0 if is_passed else 0.0, label, is_passed, explanation)


def measured(value: float, explanation: str | None = None) -> CheckResult:
    """A judgement on a scale, neither passed nor not.

    Raises:
        ValueError: the value is not finite, so no mean could be taken of it.
    """
    if not math.isfinite(value):
        raise ValueError(f"A score is {value}: expected a finite number.")
    return CheckResult("scored", float(value), None, None, explanation)


def unscored(reason: str) -> CheckResult:
    """There was nothing to judge; this is not a 0."""
    return CheckResult("unscored", None, None, None, reason)


def failed(reason: str) -> CheckResult:
    """The scorer itself broke; this says nothing about the prediction."""
    return CheckResult("failed", None, None, None, reason)


def on_output(judge: Callable[[JsonObject, Subject], CheckResult]) -> Scorer:
    """A scorer that is unscored without an output, and where `judge` raises Unscorable."""

    def score(subject: Subject) -> CheckResult:
        if subject.output is None:
            return unscored(f"no output: {subject.status}")
        try:
            return judge(subject.output, subject)
        except Unscorable as reason:
            return unscored(str(reason))

    return score


def value_at(document: object, path: str, *, where: str) -> object:
    """The value under a dotted path such as `customer.name` or `items.0.sku`; a name with dots in it wins over a path.

    Raises:
        Unscorable: nothing stands there; `where` names the document.
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
    """The text under a path of the output.

    Raises:
        Unscorable: nothing or something else than text stands there.
    """
    value = value_at(document, path, where="output")
    if not isinstance(value, str):
        raise Unscorable(f"{path}: expected text, found {shown(value)}")
    return value


def is_number(value: object) -> bool:
    """True for finite numbers; true and false are none."""
    if isinstance(value, float):
        return math.isfinite(value)
    return isinstance(value, int) and not isinstance(value, bool)


def shown(value: object) -> str:
    """The value as it is quoted in an explanation, cut to 80 characters."""
    text = repr(value)
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}…"
