"""How sure a model is of an answer, as a number from 0 to 1: from token probabilities, or as the answer states it.

Neither is a calibrated probability of being right; `assay route fit` finds the threshold that makes it a guarantee.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

STRUCTURE = ' \t\r\n{}[],:"'
"""Characters of JSON around values: a token of nothing else says how the answer is written, not what it is."""


def answer_confidence(choice: Mapping[str, Any]) -> float | None:
    """The probability of the least sure token of the answer, from `logprobs.content` of one choice.

    The minimum, not the mean: under a JSON schema most tokens are forced and have a probability of about 1, so that a
    mean tells the length of the answer where the minimum tells how the deciding token fell. Quantiles of token
    probabilities, the lowest among them, also defer better than sums and means in Gupta et al., "Language Model
    Cascades: Token-Level Uncertainty and Beyond", ICLR 2024. Tokens of JSON's own characters are left out.

    None where the provider gave no usable log probabilities.
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
    """The number from 0 to 1 in that field of the answer; None where there is none, or none within 0 and 1."""
    value = output.get(field)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        return None
    return float(value)


def _logprob(token: object) -> float | None:
    """The token's log probability, rounding above 0 taken off; None for what is no log probability."""
    value = token.get("logprob") if isinstance(token, Mapping) else None
    if isinstance(value, bool) or not isinstance(value, int | float) or math.isnan(value):
        return None
    return min(float(value), 0.0)


def _is_structure(token: Mapping[str, Any]) -> bool:
    text = token.get("token")
    return isinstance(text, str) and not text.strip(STRUCTURE)
