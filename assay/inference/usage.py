"""Token classes that do not overlap, from the usage a provider reports.

Reading usage belongs here; pricing it does not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

MOST_TOKENS = 10**9
"""More than any call can have: a larger count is no count."""


@dataclass(frozen=True, slots=True)
class TokenUsage:
    """Disjoint token counts of one call; totals are sums, so nothing is counted twice."""

    uncached_input: int
    cached_input: int
    cache_write: int
    answer: int
    reasoning: int

    @property
    def input(self) -> int:
        """All input tokens."""
        return self.uncached_input + self.cached_input + self.cache_write

    @property
    def output(self) -> int:
        """All output tokens."""
        return self.answer + self.reasoning


def token_usage(raw: Mapping[str, Any] | None) -> TokenUsage | None:
    """The classes of an OpenAI-style usage object, or None when it has no token counts.

    `prompt_tokens` includes cached ones and `completion_tokens` includes reasoning, as OpenAI's API reference says.
    """
    if not raw:
        return None
    total_in, total_out = (
        _count(raw, "prompt_tokens", "input_tokens"),
        _count(raw, "completion_tokens", "output_tokens"),
    )
    if total_in is None or total_out is None:
        return None
    details_in = _details(raw, "prompt_tokens_details", "input_tokens_details")
    details_out = _details(raw, "completion_tokens_details", "output_tokens_details")
    cached = min(_count(details_in, "cached_tokens") or 0, total_in)
    written = min(_count(details_in, "cache_write_tokens", "cache_creation_tokens") or 0, total_in - cached)
    reasoning = min(_count(details_out, "reasoning_tokens") or 0, total_out)
    return TokenUsage(
        uncached_input=total_in - cached - written,
        cached_input=cached,
        cache_write=written,
        answer=total_out - reasoning,
        reasoning=reasoning,
    )


def _details(raw: Mapping[str, Any], *names: str) -> Mapping[str, Any]:
    return next((raw[name] for name in names if isinstance(raw.get(name), dict) and raw[name]), {})


def _count(raw: Mapping[str, Any], *names: str) -> int | None:
    for name in names:
        value = raw.get(name)
        if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MOST_TOKENS:
            return value
    return None
