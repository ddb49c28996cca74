"""The seam of a budget: what the engine asks before and after each call.

Only the shape belongs here.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Protocol


class Budget(Protocol):
    """What the engine asks before and after each call, and what progress shows; amounts in USD."""

    @property
    def cap_usd(self) -> Decimal | None:
        """The most that the run may have spent at its end, whichever cap binds; None without one."""
        ...

    @property
    def spent_usd(self) -> Decimal:
        """What the run has spent so far, calls of unknown billing at their upper estimate."""
        ...

    @property
    def held_usd(self) -> Decimal:
        """Upper estimate of the calls of this process that are under way."""
        ...

    async def reserve(self, estimate_usd: Decimal) -> bool:
        """True when the estimate fits and is now held; False when it cannot fit any more.

        Waits while calls under way may turn out cheaper than they were estimated. Does not suspend where it fits.

        Raises:
            AssayError: nobody can say whether it fits, e.g. the ledger does not answer.
        """
        ...

    def settle(self, estimate_usd: Decimal, actual_usd: Decimal) -> None:
        """The estimate is no longer held, and the actual amount is spent."""
        ...

    async def close(self) -> None:
        """What was not spent is free for others; nothing may be reserved after."""
        ...
