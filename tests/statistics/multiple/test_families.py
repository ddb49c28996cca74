"""A small simulation of families: claims are wrong, and intervals miss, in at most 5% of samples and chance.

The large one is `python -m tests.benchmarks.coverage --cells multiple`.
"""

from __future__ import annotations

import pytest

from tests.benchmarks.coverage.multiple import pairs, slices

SAMPLES = 200


@pytest.mark.parametrize(("n", "size"), [(150, 1), (200, 10)])
def test_equal_variants_are_called_different_in_at_most_5_percent(n: int, size: int) -> None:
    found = pairs(f"test/pairs {n} {size}", [0.85] * 4, n, size, SAMPLES)
    assert [one.met for one in found[:2]] == [True, True]
    assert found[2].coverage < 0.93


@pytest.mark.parametrize(("n", "size", "worse"), [(200, 1, 0.0), (300, 10, 0.2)])
def test_slices_are_called_different_wrongly_in_at_most_5_percent(n: int, size: int, worse: float) -> None:
    found = slices(f"test/slices {n} {size}", n, size, 0.8, worse, SAMPLES)
    assert [one.met for one in found[:2]] == [True, True]
