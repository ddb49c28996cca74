"""The typing errors are those of the stated rate, one edit each, in the words that may have one."""

from __future__ import annotations

import math

import pytest

from assay.inputs.perturb.draws import Draws
from assay.inputs.perturb.typos import NEIGHBORS, RATES, with_typos
from assay.tasks.fields.robustness_spec import Severity

WORDS = ("delivery", "broken", "customer", "yesterday", "refund", "account", "password", "printer", "morning", "always")


def distance(one: str, other: str) -> int:
    """Damerau's distance with adjacent transpositions (optimal string alignment), by its textbook recursion."""
    rows = [list(range(len(other) + 1))]
    for i, a in enumerate(one, start=1):
        row = [i]
        for j, b in enumerate(other, start=1):
            best = min(rows[-1][j] + 1, row[-1] + 1, rows[-1][j - 1] + (a != b))
            if i > 1 and j > 1 and a == other[j - 2] and one[i - 2] == b:
                best = min(best, rows[-2][j - 2] + 1)
            row.append(best)
        rows.append(row)
    return rows[-1][-1]


@pytest.mark.parametrize("severity", list(RATES))
def test_the_number_of_typing_errors_is_that_of_the_rate(severity: Severity) -> None:
    texts = [" ".join(WORDS[(n + k) % len(WORDS)] for k in range(30)) for n in range(60)]
    letters = sum(letter.isalpha() for text in texts for letter in text)

    errors = sum(
        distance(text, with_typos(text, Draws("rate", severity, n), fixed=(), severity=severity))
        for n, text in enumerate(texts)
    )

    expected = RATES[severity] * letters
    assert abs(errors - expected) < 4 * math.sqrt(expected) + 0.03 * expected


def test_a_short_text_has_at_least_one_error() -> None:
    found = [with_typos("refund please", Draws(n), fixed=(), severity="low") for n in range(200)]
    assert all(distance("refund please", text) >= 1 for text in found)
    assert sum(distance("refund please", text) for text in found) < 260


@pytest.mark.parametrize(
    "text",
    [
        "no, not it at me",
        "AB12CD34 X9-4711 2024-05-01",
        "請求書の金額が間違っています",
        "안녕하세요 감사합니다",
        "!!! ??? ---",
        "item_number4",
    ],
)
def test_short_words_codes_and_input_method_scripts_have_none(text: str) -> None:
    assert all(with_typos(text, Draws(n), fixed=(), severity="high") == text for n in range(50))


def test_the_neighbors_are_those_of_the_keyboard() -> None:
    assert {key: set(NEIGHBORS[key]) for key in "qgpzl"} == {
        "q": set("wa"), "g": set("fhtyvb"), "p": set("ol"), "z": set("asx"), "l": set("kop")
    }  # fmt: skip


def test_capitals_stay_capitals_and_other_alphabets_get_no_latin_letters() -> None:
    assert all(with_typos("REFUND", Draws(n), fixed=(), severity="high").isupper() for n in range(50))
    greek = {
        letter for n in range(50) for letter in with_typos("παρακαλώ στείλτε", Draws(n), fixed=(), severity="high")
    }
    assert greek <= set("παρακαλώ στείλτε")
