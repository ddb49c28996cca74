"""Exponential backoff between attempts of a call.

Full jitter: uniform between 0 and a doubling ceiling, after "Exponential Backoff And Jitter" (AWS Architecture Blog,
2015).
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Backoff:
    """Waits in seconds; a provider's Retry-After is the minimum, up to `longest_s`."""

    first_s: float = 0.5
    ceiling_s: float = 20.0
    longest_s: float = 120.0
    rng: random.Random = field(default_factory=random.Random)

    def wait_s(self, attempt: int, retry_after_s: float | None) -> float:
        """The wait after the `attempt`-th failed call (from 1)."""
        jitter = self.rng.uniform(0, min(self.ceiling_s, self.first_s * 2**attempt))
        return min(max(retry_after_s or 0.0, jitter), self.longest_s)
