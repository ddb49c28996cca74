"""Disjoint token counts from the usage that a provider reports."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from assay.performance.fast_init import quick_init

MOST_TOKENS = 10**9
"""Larger counts are ignored: no call has this number of tokens."""


@quick_init
@dataclass(frozen=True, slots=True)
class TokenUsage:
    """Token counts of one call in disjoint classes; totals are sums of them."""

    uncached_input: int
    cached_input: int
    cache_write: int
    answer: int
    reasoning: int

    @property
    def input(self) -> int:
        """Number of input tokens."""
        return self.uncached_input + self.cached_input + self.cache_write

    @property
    def output(self) -> int:
        """Number of output tokens."""
        return self.answer + self.reasoning


def token_usage(raw: Mapping[str, Any] | None) -> TokenUsage | None:
    """The disjoint counts of a usage object of OpenAI chat completions, OpenAI responses or Anthropic messages.

    None when the object has no counts. OpenAI's `prompt_tokens` include cached tokens and its `completion_tokens`
    include reasoning tokens; Anthropic's `input_tokens` exclude tokens read from or written to its cache. Source: the
    API references of both.
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
    cached = written = reasoning = 0
    if details_in:
        cached = min(_count(details_in, "cached_tokens") or 0, total_in)
        written = min(_count(details_in, "cache_write_tokens", "cache_creation_tokens") or 0, total_in - cached)
    if details_out:
        reasoning = min(_count(details_out, "reasoning_tokens", "thinking_tokens") or 0, total_out)
    beside = raw if "input_tokens" in raw and not details_in else {}
    return TokenUsage(
        uncached_input=total_in - cached - written,
        cached_input=cached + ((_count(beside, "cache_read_input_tokens") or 0) if beside else 0),
        cache_write=written + ((_count(beside, "cache_creation_input_tokens") or 0) if beside else 0),
        answer=total_out - reasoning,
        reasoning=reasoning,
    )


def _details(raw: Mapping[str, Any], *names: str) -> Mapping[str, Any]:
    for name in names:
        found = raw.get(name)
        if isinstance(found, dict) and found:
            return found
    return {}


def _count(raw: Mapping[str, Any], *names: str) -> int | None:
    for name in names:
        value = raw.get(name)
        if type(value) is int and 0 <= value <= MOST_TOKENS:  # excludes JSON's `true`, a subclass of int
            return value
    return None
