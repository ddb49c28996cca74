"""Adopted answers: predictions made outside Assay, as a row of the input snapshot contains them, and their validation.

An adoption's snapshot has the cell `assay_adopted`: for each variant, one object per epoch with the answer as read and
what its source states about it. Every stage of the run reads the same answers from it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from dataclasses import field as dataclass_field
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any

import orjson
from pydantic import BaseModel

from assay.bounds import MOST_INTEGER, MOST_USD
from assay.inference.endpoint.failures import FailureKind
from assay.inference.prices import PLACES
from assay.inference.validation import Invalid, Valid, validate, validate_content
from assay.performance.fast_init import quick_init
from assay.records.statuses import PredictionStatus

ADOPTED_CELL = "assay_adopted"
NO_ANSWER = "no_answer"
"""Value of `predictions.error_type`: the source has no answer, which is how AI functions of warehouses report errors."""
INVALID = PredictionStatus.INVALID_OUTPUT
CUT_OFF = "the source states that generation stopped at the token limit"
SCRUBBED_CHARACTERS, SHOWN_CHARACTERS = 2_000, 200
"""Characters of an invalid answer that are masked, and of those the ones that its error message shows."""
NUMBERS = ("cost_usd", "latency_ms", "input_tokens", "output_tokens")
"""Numbers that a source may state about an answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Adoption:
    """What a run adopts; `answer` names the column or file, `field` the output field that a bare answer belongs to.

    `columns` maps what the source states about an answer (`model` and the numbers in `NUMBERS`) to columns. Without
    `judges`, the judges of the task are not called.
    """

    variant: str
    answer: str
    field: str | None = None
    columns: Mapping[str, str] = dataclass_field(default_factory=dict)
    scorer: str | None = None
    judges: bool = True


@quick_init
@dataclass(frozen=True, slots=True, kw_only=True)
class AdoptedAnswer:
    """One adopted answer with its outcome; `output` is None without a valid answer.

    `error_message` and `invalid_text`, the beginning of an invalid answer, are not masked.
    `unreadable` names the numbers whose cells are not finite, non-negative numbers; they are None.
    """

    status: PredictionStatus
    output: dict[str, Any] | None = None
    error_type: str | None = None
    error_message: str | None = None
    invalid_text: str | None = None
    model: str | None = None
    cost_usd: Decimal | None = None
    latency_ms: float | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    unreadable: tuple[str, ...] = ()


def adopted_answers(
    cells: Mapping[str, Any], adoption: Adoption, model: type[BaseModel], *, epochs: int
) -> tuple[AdoptedAnswer, ...]:
    """Returns the variant's answers in a row of the snapshot, one per epoch; an absent one has the status `failed`."""
    items = (cells.get(ADOPTED_CELL) or {}).get(adoption.variant) or []
    found = [_adopted(item or {}, adoption.field, model) for item in items[:epochs]]
    return (*found, *[_adopted({}, adoption.field, model)] * (epochs - len(found)))


def bare_field(model: type[BaseModel], given: str | None) -> str | None:
    """Returns the field that a bare label or text belongs to: the given one, or the only required field, if it is one."""
    if given is not None:
        return given
    required = [info.alias or name for name, info in model.model_fields.items() if info.is_required()]
    return required[0] if len(required) == 1 else None


def masked_texts(outputs: Sequence[Mapping[str, Any] | None]) -> Iterator[Any]:
    """Yields every text, number and nested key of the outputs, in order; keys of an output belong to its schema."""
    for output in outputs:
        for value in (output or {}).values():
            yield from _texts(value)


def with_masked_texts(outputs: Sequence[Mapping[str, Any] | None], texts: Iterator[str]) -> list[dict[str, Any] | None]:
    """Returns the outputs with the next text for each value of `masked_texts`; an unmasked number stays a number."""
    return [
        None if output is None else {name: _with_texts(value, texts) for name, value in output.items()}
        for output in outputs
    ]


def _adopted(item: Mapping[str, Any], field: str | None, model: type[BaseModel]) -> AdoptedAnswer:
    numbers = {name: _number(name, item.get(name)) for name in NUMBERS}
    stated: dict[str, Any] = {
        "model": _text_or_none(item.get("model")),
        "unreadable": tuple(name for name in NUMBERS if numbers[name] is None and not _is_empty(item.get(name))),
        **numbers,
    }
    if (status := item.get("status")) is not None:
        return AdoptedAnswer(
            status=PredictionStatus(status),
            error_type=item.get("error_type"),
            error_message=item.get("error_message"),
            **stated,
        )
    if (failure := item.get("failure")) is not None:
        return AdoptedAnswer(
            status=INVALID, error_type=FailureKind.INVALID_OUTPUT.value, error_message=failure, **stated
        )
    answer = item.get("answer")
    if _is_empty(answer):
        message = "the source has no answer for this record"
        return AdoptedAnswer(status=PredictionStatus.FAILED, error_type=NO_ANSWER, error_message=message, **stated)
    found = _validated(answer, field, model)
    if isinstance(found, Valid):
        status = PredictionStatus.REPAIRED if found.rescued else PredictionStatus.OK
        return AdoptedAnswer(status=status, output=found.output, **stated)
    if item.get("is_truncated"):
        truncated = FailureKind.TRUNCATED.value
        return AdoptedAnswer(
            status=PredictionStatus.FAILED, error_type=truncated, error_message=f"{CUT_OFF}: {found.error}", **stated
        )
    return AdoptedAnswer(
        status=INVALID,
        error_type=FailureKind.INVALID_OUTPUT.value,
        error_message=found.error,
        invalid_text=_text_of(answer)[:SCRUBBED_CHARACTERS],
        **stated,
    )


def _validated(answer: Any, field: str | None, model: type[BaseModel]) -> Valid | Invalid:
    """The output in an answer: a JSON object is the output itself, anything else the value of the bare field.

    With a `field` named by the user, every answer is a value of that field.
    """
    if field is not None:
        return validate_content({field: answer}, model)
    if isinstance(answer, dict):
        return validate_content(answer, model)
    only = _only_field(model)
    if isinstance(answer, str) and (only is None or "{" in answer):
        found = validate(answer, model)
        if only is None or isinstance(found, Valid) or answer.lstrip().startswith("{"):
            return found
    if only is None:
        return Invalid(f"it is a JSON {type(answer).__name__}, not an object")
    return validate_content({only: answer}, model)


@lru_cache(maxsize=64)
def _only_field(model: type[BaseModel]) -> str | None:
    return bare_field(model, None)


def _is_empty(value: Any) -> bool:
    """True for NULL, NaN and text without a visible character, which is how CSV files write NULL."""
    return (
        value is None
        or (isinstance(value, str) and not value.strip())
        or (isinstance(value, float) and math.isnan(value))
    )


def _number(name: str, value: Any) -> Any:
    """The number in a cell, None if it is empty or not a finite, non-negative number in range."""
    if _is_empty(value) or isinstance(value, bool | list | dict):
        return None
    try:
        number = Decimal(str(value).strip())
    except InvalidOperation:
        return None
    if not number.is_finite() or number < 0 or number > (MOST_USD if name == "cost_usd" else MOST_INTEGER):
        return None
    if name == "cost_usd":
        return number.quantize(PLACES)
    if name == "latency_ms":
        return float(number)
    return int(number) if number == number.to_integral_value() else None


def _text_or_none(value: Any) -> str | None:
    return None if _is_empty(value) else str(value)


def _text_of(answer: Any) -> str:
    return answer if isinstance(answer, str) else orjson.dumps(answer).decode()


def _texts(value: Any) -> Iterator[Any]:
    if isinstance(value, Mapping):
        for name, item in value.items():
            yield name
            yield from _texts(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _texts(item)
    elif value is not None and not isinstance(value, bool):
        yield value


def _with_texts(value: Any, texts: Iterator[str]) -> Any:
    if isinstance(value, Mapping):
        return {next(texts): _with_texts(item, texts) for item in value.values()}
    if isinstance(value, list | tuple):
        return [_with_texts(item, texts) for item in value]
    if value is None or isinstance(value, bool):
        return value
    text = next(texts)
    return value if text == str(value) else text


def error_shown(answer: AdoptedAnswer, scrub: Callable[[str], str]) -> str | None:
    """Returns the masked error message, with the beginning of an invalid answer."""
    if answer.error_message is None:
        return None
    message = scrub(answer.error_message)
    if answer.invalid_text is None:
        return message
    masked = scrub(answer.invalid_text)
    return f"{message}; the answer begins {masked[:SHOWN_CHARACTERS]!r}"


def with_output(answer: AdoptedAnswer, output: dict[str, Any] | None) -> AdoptedAnswer:
    """Returns the answer with its output replaced by the masked one."""
    return answer if output is answer.output else replace(answer, output=output)
