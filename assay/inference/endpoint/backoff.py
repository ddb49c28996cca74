"""Exponential backoff between the attempts of a call.

Full jitter: the wait is uniform between 0 and a ceiling that doubles with each attempt; see "Exponential Backoff And
Jitter" (AWS Architecture Blog, 2015).
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Backoff:
    """Computes waits in seconds; the provider's Retry-After is the minimum wait, up to `longest_s`."""

    first_s: float = 0.5
    ceiling_s: float = 20.0
    longest_s: float = 120.0
    rng: random.Random = field(default_factory=random.Random)

    def wait_s(self, attempt: int, retry_after_s: float | None) -> float:
        """The wait in seconds after failed attempt number `attempt` (counted from 1)."""
        jitter = self.rng.uniform(0, min(self.ceiling_s, self.first_s * 2**attempt))
        return min(max(retry_after_s or 0.0, jitter), self.longest_s)
