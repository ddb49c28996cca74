"""Validates the parameters that are sent with every request of a task or a judge."""

from __future__ import annotations

import json
from typing import Any

from assay.bounds import MOST_TOKENS
from assay.tasks.block import LocatedError
from assay.tasks.issues import shown

SET_BY_ASSAY = frozenset({"messages", "model", "response_format", "stream", "n", "prediction"})
TOKEN_LIMITS = frozenset({"max_tokens", "max_completion_tokens"})


def valid_parameters(value: dict[str, Any]) -> dict[str, Any]:
    """Returns the parameters.

    Raises:
        LocatedError: Assay sets a parameter itself, or its value cannot be sent; each has the path of its key.
    """
    found = [((name,), issue) for name in value if (issue := _issue(name, value[name]))]
    if found:
        raise LocatedError(*found)
    return value


def _issue(name: str, value: Any) -> str:
    if name in SET_BY_ASSAY:
        return f"Assay sets {name}; remove it"
    if name in TOKEN_LIMITS and (type(value) is not int or not 1 <= value <= MOST_TOKENS):
        return f"{name} must be a positive integer, not {shown(value)}; at most {MOST_TOKENS:,}"
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        return f"the value of {name} cannot be represented in JSON: {error}"
    return ""
