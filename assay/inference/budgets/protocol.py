"""Protocol of a budget, which is consulted before and after each call."""

from __future__ import annotations

from decimal import Decimal
from typing import Protocol


class Budget(Protocol):
    """Reserves and settles the cost of calls; amounts in USD."""

    @property
    def cap_usd(self) -> Decimal | None:
        """Maximum total spending of the run under the lowest of its caps; None without a cap."""
        ...

    @property
    def spent_usd(self) -> Decimal:
        """Spending of the run so far; calls with unknown billing count at their upper bound."""
        ...

    @property
    def held_usd(self) -> Decimal:
        """Upper bound on the cost of this process's calls in progress."""
        ...

    async def reserve(self, estimate_usd: Decimal) -> bool:
        """Reserves the estimate and returns True, or returns False if the budget no longer covers it.

        Waits as long as calls in progress may turn out cheaper than estimated. Does not suspend if the estimate fits.

        Raises:
            AssayError: it cannot be determined whether the estimate fits, e.g. because the ledger does not respond.
        """
        ...

    def settle(self, estimate_usd: Decimal, actual_usd: Decimal) -> None:
        """Releases the estimate and adds the actual amount to the spending."""
        ...

    async def close(self) -> None:
        """Returns the unspent amount for other workers to use; nothing may be reserved afterwards."""
        ...
