"""Confidence in a response, from 0 to 1: computed from token probabilities, or as stated in the response.

Neither is a calibrated probability of correctness; `assay route fit` finds the threshold that gives a guarantee.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

STRUCTURE = ' \t\r\n{}[],:"'
"""JSON characters around values; a token of only these characters is formatting, not content."""


def answer_confidence(choice: Mapping[str, Any]) -> float | None:
    """The probability of the least probable token in the response, from `logprobs.content` of one choice.

    The minimum is used instead of the mean, because under a JSON schema most tokens are forced and have a probability of
    about 1: the mean reflects the length of the response, the minimum the token that decided its content. In Gupta et
    al., "Language Model Cascades: Token-Level Uncertainty and Beyond", ICLR 2024, quantiles of token probabilities,
    including the minimum, are also better criteria for deferral than sums and means. Tokens that consist of JSON
    punctuation are excluded.

    Returns None if the provider returned no usable log probabilities.
    """
    logprobs = choice.get("logprobs")
    tokens = logprobs.get("content") if isinstance(logprobs, Mapping) else None
    if not isinstance(tokens, list):
        return None
    lowest: float | None = None
    for token in tokens:
        found = _logprob(token)
        if found is None:
            return None
        if not _is_structure(token) and (lowest is None or found < lowest):
            lowest = found
    return None if lowest is None else math.exp(lowest)


def stated_confidence(output: Mapping[str, Any], field: str) -> float | None:
    """The number in the field `field` of the output; None if it is missing, not a number or not from 0 to 1."""
    value = output.get(field)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        return None
    return float(value)


def _logprob(token: object) -> float | None:
    """The token's log probability, at most 0; None if it is missing or not a number."""
    value = token.get("logprob") if isinstance(token, Mapping) else None
    if isinstance(value, bool) or not isinstance(value, int | float) or math.isnan(value):
        return None
    return min(float(value), 0.0)


def _is_structure(token: Mapping[str, Any]) -> bool:
    text = token.get("token")
    return isinstance(text, str) and not text.strip(STRUCTURE)
