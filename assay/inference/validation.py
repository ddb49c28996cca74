"""Validates a response: it must be JSON that the task's output model (a Pydantic class) accepts."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Literal

import orjson
from pydantic import BaseModel, ValidationError

from assay.inference.rescue import completed, unwrapped
from assay.performance.fast_init import quick_init
from assay.stop_signals import is_stop
from assay.tasks.output_model import is_closed, strict_schema

ISSUES_SHOWN = 3
ISSUE_CHARACTERS = 500
MOST_CHARACTERS = 1_000_000
"""A longer response is invalid, because its row would not fit into one request to the warehouse."""
REPAIR_NAME = "answer"


@quick_init
@dataclass(frozen=True, slots=True)
class Valid:
    """A valid response, as normalized by the output model: `output` as a dict, `written` as JSON text.

    `rescued` is True if the text had to be completed or unwrapped.
    """

    output: dict[str, Any]
    written: str
    rescued: bool = False


@dataclass(frozen=True, slots=True)
class Invalid:
    """An invalid response; `error` is worded so that a repair can send it to the LLM."""

    error: str


def validate(text: str, model: type[BaseModel]) -> Valid | Invalid:
    """The response as a dict of JSON values, or its validation error.

    Accepts a single JSON object whose keys are all in the schema; a Markdown fence around it is removed. A text that is
    not JSON is completed or unwrapped if only one reading is possible; see `rescue.py`.
    """
    if len(text) > MOST_CHARACTERS:
        return Invalid(f"it has {len(text):,} characters, more than {MOST_CHARACTERS:,}")
    try:
        content = orjson.loads(_without_fence(text))
    except orjson.JSONDecodeError as error:
        invalid = Invalid(f"it is not JSON ({error.msg} at character {error.pos})")
        return _rescued(text, model) or invalid
    if not isinstance(content, dict):
        return Invalid(f"it is a JSON {type(content).__name__}, not an object")
    return _accepted(content, model)


def validate_content(content: dict[str, Any], model: type[BaseModel]) -> Valid | Invalid:
    """The content, already parsed, as a dict of JSON values, or its validation error."""
    found = _accepted(content, model)
    if isinstance(found, Valid) and len(found.written) > MOST_CHARACTERS:
        return Invalid(f"it has {len(found.written):,} characters, more than {MOST_CHARACTERS:,}")
    return found


def _rescued(text: str, model: type[BaseModel]) -> Valid | None:
    content = unwrapped(text)
    if content is None and not _has_everything(content := completed(text), model):
        return None
    accepted = _accepted(content, model) if isinstance(content, dict) else None
    return replace(accepted, rescued=True) if isinstance(accepted, Valid) else None


def _has_everything(content: object, model: type[BaseModel]) -> bool:
    """True if no property of the schema is missing: a missing optional property might have been truncated."""
    if not isinstance(content, dict):
        return False
    return all((field.alias or name) in content for name, field in model.model_fields.items())


def _accepted(content: dict[str, Any], model: type[BaseModel]) -> Valid | Invalid:
    try:
        output = model.model_validate(content, extra=_extra(model)).model_dump(mode="json")
        written = orjson.dumps(output).decode()
    except ValidationError as error:
        issues = error.errors(include_url=False, include_input=False)[:ISSUES_SHOWN]
        stated = "; ".join(f"{'.'.join(map(str, issue['loc'])) or REPAIR_NAME}: {issue['msg']}" for issue in issues)
        return Invalid(stated[:ISSUE_CHARACTERS])
    # The task's own validators may raise any exception, and a value that is nested too deeply cannot be serialized.
    except BaseException as error:
        if is_stop(error):
            raise
        return Invalid(f"the output model {model.__name__} rejects it ({type(error).__name__})")
    if NULL in written and _has_non_finite(output):
        return Invalid("it contains a number that is not finite, which JSON cannot represent")
    return Valid(output, written)


NULL = "null"
"""What JSON text contains in place of a number that is not finite."""


def _has_non_finite(value: object) -> bool:
    """True if the value contains NaN or an infinity, which JSON text would contain as null."""
    if isinstance(value, float):
        return not math.isfinite(value)
    if isinstance(value, dict):
        return any(map(_has_non_finite, value.values()))
    return isinstance(value, list) and any(map(_has_non_finite, value))


@lru_cache(maxsize=64)
def _extra(model: type[BaseModel]) -> Literal["forbid"] | None:
    """Pydantic's `extra` as in the schema sent to the API: `forbid`, unless the output model allows extra properties."""
    return "forbid" if is_closed(strict_schema(model)) else None


def _without_fence(text: str) -> str:
    stripped = text.strip()
    if stripped.startswith("```") and stripped.endswith("```") and "\n" in stripped:
        return stripped[stripped.index("\n") + 1 : -3]
    return stripped
