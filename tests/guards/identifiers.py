"""Seeded personal identifiers from published specifications; uses no table or pattern of `assay`.

Sources: social security numbers, SSA POMS RM 10201.030 (area not 000, 666, 9xx; no group of zeros). Cards, ISO/IEC 7812-1:
issuer ranges of Visa, Mastercard, American Express, Discover; check digit of annex B (Luhn). IBANs, ISO 13616-1: formats of
the registry that SWIFT publishes (`iban_registry.csv`); check digits of ISO 7064, MOD 97-10. Phones: E.164 and the national
formats of NANPA, Ofcom, ARCEP, Bundesnetzagentur, ACMA. Email addresses: RFC 5322, dot-atoms.
"""

from __future__ import annotations

import csv
import random
import re
import string
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

REGISTRY = {
    row["country"]: row["bban"]
    for row in csv.DictReader((Path(__file__).parent / "iban_registry.csv").read_text("utf-8").splitlines())
}
_CHARACTERS = {"n": string.digits, "a": string.ascii_uppercase, "c": string.ascii_uppercase + string.digits}


@dataclass(frozen=True)
class Identifier:
    """A value as groups of characters with the text that usually separates them."""

    kind: str
    groups: tuple[str, ...]
    joiner: str
    prefix: str = ""
    digit_places: tuple[bool, ...] = ()
    """For each character of the joined groups whether the specification has a digit there."""

    @property
    def plain(self) -> str:
        """The value in its usual form."""
        return self.prefix + self.joiner.join(self.groups)


def _digits(rng: random.Random, count: int) -> str:
    return "".join(rng.choices(string.digits, k=count))


def _all_digits(kind: str, groups: tuple[str, ...], joiner: str, prefix: str = "") -> Identifier:
    return Identifier(kind, groups, joiner, prefix, (True,) * sum(map(len, groups)))


def ssn(rng: random.Random) -> Identifier:
    """A number that the SSA may issue."""
    area = rng.choice([number for number in range(1, 900) if number != 666])
    return _all_digits("US_SSN", (f"{area:03}", f"{rng.randint(1, 99):02}", f"{rng.randint(1, 9999):04}"), "-")


def card(rng: random.Random) -> Identifier:
    """A card number with a valid check digit."""
    issuer = rng.choice(["4", str(rng.randint(51, 55)), str(rng.randint(2221, 2720)), "34", "37", "6011", "65"])
    length = 15 if issuer in ("34", "37") else 16
    body = issuer + _digits(rng, length - 1 - len(issuer))
    doubled = [sum(divmod(int(digit) * 2, 10)) for digit in body[::-1][::2]]
    number = body + str(-(sum(doubled) + sum(map(int, body[::-1][1::2]))) % 10)
    cuts = (4, 10, 15) if length == 15 else (4, 8, 12, 16)
    groups = tuple(number[start:end] for start, end in zip((0, *cuts), cuts, strict=False))
    return _all_digits("CREDIT_CARD", groups, " ")


def iban(rng: random.Random, country: str | None = None) -> Identifier:
    """A number in the format of a country of the registry, with valid check digits."""
    country = country or rng.choice(sorted(REGISTRY))
    kinds = "".join(kind * int(count) for count, kind in re.findall(r"(\d+)!([nac])", REGISTRY[country]))
    bban = "".join(rng.choice(_CHARACTERS[kind]) for kind in kinds)
    value = int("".join(str(int(char, 36)) for char in f"{bban}{country}00"))
    number = f"{country}{98 - value % 97:02}{bban}"
    groups = tuple(number[start : start + 4] for start in range(0, len(number), 4))
    return Identifier("IBAN_CODE", groups, " ", "", (False, False, True, True, *(kind == "n" for kind in kinds)))


def phone(rng: random.Random) -> Identifier:
    """A number in an international or national format."""
    area, exchange = f"{rng.randint(2, 9)}{_digits(rng, 2)}", f"{rng.randint(2, 9)}{_digits(rng, 2)}"
    line = _digits(rng, 4)
    british = ("20", rng.choice("378") + _digits(rng, 3), _digits(rng, 4))
    first, second = rng.choice([("6", "01245678"), ("7", "3456789")])
    french = (first, rng.choice(second) + _digits(rng, 1), *(_digits(rng, 2) for _ in range(3)))
    german = ("30", rng.choice("23456789") + _digits(rng, 3), _digits(rng, 4))
    formats: list[tuple[str, tuple[str, ...], str]] = [
        ("", (area, exchange, line), "-"),
        ("", (area, exchange, line), " "),
        ("+", ("1", area, exchange, line), " "),
        ("+", ("44", *british), " "),
        ("", ("0" + british[0], *british[1:]), " "),
        ("+", ("33", *french), " "),
        ("", ("0" + french[0], *french[1:]), " "),
        ("+", ("49", *german), " "),
    ]
    prefix, groups, joiner = rng.choice(formats)
    return _all_digits("PHONE_NUMBER", groups, joiner, prefix)


_NAMES = [
    "ann",
    "bob",
    "chloe",
    "dmitri",
    "elif",
    "farah",
    "greta",
    "hugo",
    "ines",
    "jamal",
    "kim",
    "liam",
    "mia",
    "nora",
    "omar",
    "pia",
    "quinn",
    "rosa",
    "sven",
    "tariq",
]
_HOSTS = ["corp-mail", "northwind", "acme-gmbh", "post.uni", "lab7", "bright.studio", "eastbank", "river-co"]
_DOMAINS = ["com", "org", "net", "de", "co.uk", "io", "fr", "edu", "example"]


def email(rng: random.Random) -> Identifier:
    """An address of a person."""
    name, host = rng.choice(_NAMES), rng.choice(_HOSTS)
    local = rng.choice(
        [name, f"{name}.{rng.choice(_NAMES)}", f"{name}{rng.randint(1, 99)}", f"{name}_{rng.choice(_NAMES)}"]
    )
    return Identifier("EMAIL_ADDRESS", (local, f"{host}.{rng.choice(_DOMAINS)}"), "@")


MAKERS: dict[str, Callable[[random.Random], Identifier]] = {
    "US_SSN": ssn,
    "CREDIT_CARD": card,
    "IBAN_CODE": iban,
    "PHONE_NUMBER": phone,
    "EMAIL_ADDRESS": email,
}
