"""The filter never denies what is there, and seldom affirms what is not."""

from __future__ import annotations

import random

from assay.inference.caches.id_filter import IdFilter

CHANCE = random.Random(20261126)
IDS = [CHANCE.getrandbits(64) - (1 << 63) for _ in range(20_000)]


def test_nothing_that_was_added_is_denied() -> None:
    found = IdFilter()
    found.update(IDS)

    assert all(number in found for number in IDS)


def test_an_empty_filter_holds_nothing() -> None:
    assert not any(number in IdFilter() for number in IDS[:100])


def test_few_others_are_taken_for_known() -> None:
    found = IdFilter()
    found.update(IDS)

    others = sum(CHANCE.getrandbits(64) - (1 << 63) in found for _ in range(100_000))

    assert others <= 5  # (20,000 / 2^25)^2 of them are expected: less than one
