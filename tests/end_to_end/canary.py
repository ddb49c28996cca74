"""Personal values that occur nowhere else, so that one found anywhere is a leak.

Belongs here: making them, valid where their kind has check digits, and looking for them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Canary:
    """The values of one record."""

    email: str
    phone: str
    ssn: str
    card: str
    iban: str

    @property
    def values(self) -> tuple[str, ...]:
        """All of them."""
        return self.email, self.phone, self.ssn, self.card, self.iban

    @property
    def sentence(self) -> str:
        """All of them in one text, as people write."""
        return (
            f"Write to {self.email} or call {self.phone}. My SSN is {self.ssn}, "
            f"the card {self.card}, and the account {self.iban}; thanks!"
        )


def canary(number: int) -> Canary:
    """The canary of that number, 0 to 999."""
    return Canary(
        email=f"canary.{number:03}.kestrel@post-{number:03}.example.org",
        phone=f"+1 415 555 {2000 + number}",
        ssn=f"{520 + number % 100}-{11 + number % 80}-{3000 + number}",
        card=_with_luhn(f"453201{number:09}"),
        iban=_iban(f"3704004405320{number:05}"),
    )


def leaks(canaries: Iterable[Canary], text: str) -> list[str]:
    """Values that stand in the text, as written or as digits alone."""
    digits = re.sub(r"[\s().-]", "", text)
    found = []
    for one in canaries:
        found += [value for value in one.values if value in text]
        bare = (re.sub(r"\D", "", value) for value in (one.phone, one.ssn, one.card))
        found += [value for value in bare if re.search(rf"(?<!\d){value}(?!\d)", digits)]
    return found


def _with_luhn(digits: str) -> str:
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (2 if place % 2 == 0 else 1)
        total += value - 9 if value > 9 else value
    whole = f"{digits}{-total % 10}"
    return " ".join(whole[start : start + 4] for start in range(0, 16, 4))


def _iban(account: str) -> str:
    check = 98 - int(f"{account}131400") % 97
    return f"DE{check:02}{account}"
