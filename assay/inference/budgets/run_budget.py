"""Budget of one run in one process: its cap, the amount spent and the amount held."""

from __future__ import annotations

import asyncio
from decimal import Decimal

ZERO = Decimal(0)


class RunBudget:
    """The cap of one run; without a cap every estimate fits. See `Budget`."""

    def __init__(self, cap_usd: Decimal | None, *, spent_usd: Decimal = ZERO) -> None:
        self._cap_usd = cap_usd
        self._spent_usd = spent_usd
        self._held_usd = ZERO
        self._turn = asyncio.Lock()
        self._settled = asyncio.Event()

    @property
    def cap_usd(self) -> Decimal | None:
        """See `Budget.cap_usd`."""
        return self._cap_usd

    @property
    def spent_usd(self) -> Decimal:
        """See `Budget.spent_usd`."""
        return self._spent_usd

    @property
    def held_usd(self) -> Decimal:
        """See `Budget.held_usd`."""
        return self._held_usd

    async def reserve(self, estimate_usd: Decimal) -> bool:
        """See `Budget.reserve`; waiting calls are served in the order in which they arrived."""
        if self._cap_usd is None or (not self._turn.locked() and self._fits(estimate_usd, self._cap_usd)):
            self._held_usd += estimate_usd
            return True
        async with self._turn:
            while not self._fits(estimate_usd, self._cap_usd):
                if not self._held_usd or self._spent_usd + estimate_usd > self._cap_usd:
                    return False
                self._settled.clear()
                await self._settled.wait()
            self._held_usd += estimate_usd
            return True

    def settle(self, estimate_usd: Decimal, actual_usd: Decimal) -> None:
        """See `Budget.settle`."""
        self._held_usd -= estimate_usd
        self._spent_usd += actual_usd
        self._settled.set()

    async def close(self) -> None:
        """See `Budget.close`."""

    def _fits(self, estimate_usd: Decimal, cap_usd: Decimal) -> bool:
        return self._spent_usd + self._held_usd + estimate_usd <= cap_usd
