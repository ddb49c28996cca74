"""Token classes that do not overlap, whatever API counted them.

Reading an API's usage object belongs to its dialect; pricing to `prices.py`.
"""

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


def first_count(raw: Mapping[str, Any], *names: str) -> int | None:
    """The first of the names that holds a count of tokens, None where none does."""
    for name in names:
        value = raw.get(name)
        if type(value) is int and 0 <= value <= MOST_TOKENS:  # excludes JSON's `true`, a subclass of int
            return value
    return None
