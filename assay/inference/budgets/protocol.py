"""Protocol of a budget, called before and after each call."""

from __future__ import annotations

from decimal import Decimal
from typing import Protocol


class Budget(Protocol):
    """Reserves and settles the cost of calls; amounts in USD."""

    @property
    def cap_usd(self) -> Decimal | None:
        """Maximum total spending of the run, by the lowest of its caps; None without a cap."""
        ...

    @property
    def spent_usd(self) -> Decimal:
        """Spending of the run so far; calls with unknown billing count with their upper bound."""
        ...

    @property
    def held_usd(self) -> Decimal:
        """Upper bound of the calls of this process in progress."""
        ...

    async def reserve(self, estimate_usd: Decimal) -> bool:
        """Reserves the estimate and returns True; False if it no longer fits.

        Waits while calls in progress may turn out cheaper than estimated. Does not suspend if the estimate fits.

        Raises:
            AssayError: it is unknown whether the estimate fits, e.g. the ledger does not respond.
        """
        ...

    def settle(self, estimate_usd: Decimal, actual_usd: Decimal) -> None:
        """Releases the estimate and adds the actual amount to the spending."""
        ...

    async def close(self) -> None:
        """Returns unspent money for others to use; no reservation may follow."""
        ...
