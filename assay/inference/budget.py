"""Keeps a run within its money: reserve before a call, settle after it.

One budget for one run in one process; a budget shared by runs and workers takes this class's place.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Protocol


class Budget(Protocol):
    """What the engine asks before and after each call; amounts in USD."""

    def reserve(self, estimate_usd: Decimal) -> bool:
        """True when the estimate fits and is now held; False when the cap is reached."""
        ...

    def settle(self, estimate_usd: Decimal, actual_usd: Decimal) -> None:
        """The estimate is released and the actual amount spent."""
        ...


class RunBudget:
    """The cap of one run; no cap lets everything through."""

    def __init__(self, cap_usd: Decimal | None, *, spent_usd: Decimal = Decimal(0)) -> None:
        self._cap_usd = cap_usd
        self._held_usd = Decimal(0)
        self.spent_usd = spent_usd

    def reserve(self, estimate_usd: Decimal) -> bool:
        """See `Budget.reserve`."""
        if self._cap_usd is not None and self.spent_usd + self._held_usd + estimate_usd > self._cap_usd:
            return False
        self._held_usd += estimate_usd
        return True

    def settle(self, estimate_usd: Decimal, actual_usd: Decimal) -> None:
        """See `Budget.settle`."""
        self._held_usd -= estimate_usd
        self.spent_usd += actual_usd
