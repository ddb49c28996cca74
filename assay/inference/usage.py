"""Token classes that do not overlap, whatever API counted them.

Reading an API's usage object belongs to its dialect; pricing to `prices.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from assay.performance.fast_init import quick_init

MOST_TOKENS = 10**9
"""More than any call can have: a larger count is no count."""


@quick_init
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


def first_count(raw: Mapping[str, Any], *names: str) -> int | None:
    """The first of the names that holds a count of tokens, None where none does."""
    for name in names:
        value = raw.get(name)
        if type(value) is int and 0 <= value <= MOST_TOKENS:  # JSON's true is an int of another type
            return value
    return None
