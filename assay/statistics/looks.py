"""The error rate of a gate that decides several times on the same cases.

Of ten versions that are exactly as bad as the margin, each decided at 5%, at least one passes in about a quarter of all
searches. The error rate of all looks together is therefore limited to `ERROR` (Bonferroni's inequality).
"""

from __future__ import annotations

from dataclasses import dataclass

from assay.statistics.conventions import ERROR, FIRST_LOOK_SHARE


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """One look at the gate cases: a rule passes on its one-sided bound at error rate `error`.

    `number` counts the looks, from 1. `left` is the error rate that remains for later looks. `planned` is the number of
    looks that the gate declares, None if it declares none.
    """

    number: int
    error: float
    left: float
    planned: int | None = None

    @property
    def requirement(self) -> str:
        """What a rule needs to pass at this look."""
        return f"p ≤ {100 * self.error:.3g}%"


UNCOUNTED = Look(number=1, error=ERROR, left=0.0)
"""The decision on records of which no looks are counted."""


def look_at(number: int, *, planned: int | None, spent: float = 0.0) -> Look:
    """The look with this number, of which the first is 1; earlier looks have `spent` this much of the error rate.

    Planned looks have equal shares of `ERROR`, and nothing is left after the last. Otherwise, the first look has
    `FIRST_LOOK_SHARE` of it and look k the share 1 / (k (k-1)) of the rest, so that all looks together never exceed it.
    """
    if planned is not None:
        share, left = (1 / planned if number <= planned else 0.0), max(0.0, 1 - number / planned)
    elif number == 1:
        share, left = FIRST_LOOK_SHARE, 1 - FIRST_LOOK_SHARE
    else:
        share, left = (1 - FIRST_LOOK_SHARE) / (number * (number - 1)), (1 - FIRST_LOOK_SHARE) / number
    error = max(0.0, min(ERROR * share, ERROR - spent))
    return Look(number=number, error=error, left=max(0.0, min(ERROR * left, ERROR - spent - error)), planned=planned)
