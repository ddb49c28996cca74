"""Masking and restoring take time in proportion to the text, whatever it contains."""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import product

import pytest

from assay.guards.masking import Masker, MaskingRules, restore
from assay.inference.rescue import completed, unwrapped

SMALL = 12_500
WORST = [
    *(
        "0 ",
        "1234 ",
        "+1 ",
        "1- ",
        "(1",
        "+49 30 1234567 ",
        "0049 ",
        "4111 1111 ",
        "4111111111111111 ",
        "GB82 WEST ",
        "A1 ",
    ),
    *(
        "a@",
        "a@b.",
        '"a @',
        "x@y.z ",
        "123-45-6789 ",
        "ssn 123456789 ",
        "<EMAIL_1>",
        "<EMAIL_",
        "1\u200d",
        "\uff11 ",
        "%40",
    ),
]
ATOMS = ["1", "1234", " ", "-", ".", "+", "(", ")", "@", "a", "DE12", '"', "/", "x", "\n", "0", "<", "\u200b"]
PAIRS = [left + right for left, right in product(ATOMS, ATOMS)]


@pytest.mark.parametrize(
    "piece", [*WORST, *(pytest.param(pair, marks=pytest.mark.verify) for pair in PAIRS if pair not in WORST)]
)
def test_masking_is_linear_in_hostile_text(piece: str) -> None:
    """Four times the text takes less than nine times as long; a quadratic pattern would take sixteen times."""
    masker = Masker(MaskingRules())
    masker.mask({"text": piece})

    def work(size: int) -> None:
        masked = masker.mask({"text": (piece * size)[:size]})
        assert restore(masked.texts["text"], masked.placeholders) == (piece * size)[:size]

    assert seconds(work, 4 * SMALL) < 9 * max(seconds(work, SMALL), 2e-3)


@pytest.mark.parametrize("piece", ["{", "[", '"', "\\", '{"a":', "}", "```\n", "<think>", '{"a":"', "[{"])
def test_the_search_for_json_is_linear_in_hostile_text(piece: str) -> None:
    def work(size: int) -> None:
        text = "{" + (piece * size)[:size]
        unwrapped(text)
        completed(text)

    assert seconds(work, 16 * SMALL) < 9 * max(seconds(work, 4 * SMALL), 2e-3)


def seconds(work: Callable[[int], None], size: int) -> float:
    """CPU seconds, the least of three, so that another process does not count."""

    def once() -> float:
        begun = time.process_time()
        work(size)
        return time.process_time() - begun

    return min(once() for _ in range(3))
