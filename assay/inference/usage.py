"""Token counts in disjoint classes, the same for every API.

A dialect reads the usage object of its API; `prices.py` computes the cost.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from assay.performance.fast_init import quick_init

MOST_TOKENS = 10**9
"""Larger counts are ignored as implausible for one call."""


@quick_init
@dataclass(frozen=True, slots=True)
class TokenUsage:
    """Token counts of one call in disjoint classes; totals are their sums."""

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
    """The first token count found under these names; None if there is none."""
    for name in names:
        value = raw.get(name)
        if type(value) is int and 0 <= value <= MOST_TOKENS:  # excludes JSON's `true`, a subclass of int
            return value
    return None
