"""Patterns of tasks take linear time, and what RE2 cannot do is refused with what to write instead."""

from __future__ import annotations

import time

import pytest

from assay.tasks.fields.patterns import compiled_pattern, pattern_issue

HOSTILE = {
    r"^(a+)+$": "a",
    r"(a|a)*b": "a",
    r"(.*)*x": "ab",
    r"(\w+\s?)*\?$": "word ",
    r"^\s+|\s+$": " ",
    r"([a-z]+)*=": "abc",
    r"(x+x+)+y": "x",
    r"\d+\.?\d*\.?\d*$x": "1",
}
"""Patterns whose time is exponential or quadratic in a backtracking engine, with the text that shows it."""


@pytest.mark.parametrize("pattern", HOSTILE)
def test_time_is_linear_in_hostile_text(pattern: str) -> None:
    seconds = [search_seconds(pattern, HOSTILE[pattern] * n + "!") for n in (25_000, 100_000)]
    assert seconds[1] < 12 * max(seconds[0], 1e-3)


def search_seconds(pattern: str, text: str) -> float:
    begun = time.process_time()
    compiled_pattern(pattern).search(text)
    return time.process_time() - begun


@pytest.mark.parametrize(
    ("pattern", "issue"),
    [
        (r"(a)\1", "reference to a group is not part of RE2.*use a custom check"),
        (r"(?P<n>a)(?P=n)", "reference to a group"),
        (r"(?=a)b", "lookahead or lookbehind is not part of RE2.*two checks"),
        (r"(?<!a)b", "lookahead or lookbehind"),
        (r"(?>a)b", "atomic group"),
        (r"a++b", "possessive"),
        (r"a\Z", "write `.z`"),
        (r"(?x) a", "this flag"),
        (r"a{5000}", "repetition beyond 1,000"),
        (r"a{99999999999}", "at most 1,000"),
        (r"a{1,100000}", "at most 1,000"),
        (r"(", r"missing \): \("),
    ],
)
def test_what_re2_cannot_do_is_refused_with_a_way_out(pattern: str, issue: str) -> None:
    with pytest.raises(ValueError, match=issue):
        compiled_pattern(pattern)
    assert pattern_issue(pattern)


@pytest.mark.parametrize("pattern", [r"\d+$", r"(?P<n>a)", r"(?i)sorry", r"[[:alpha:]]", r"\{\d", r"a{1000}", r"é+"])
def test_what_both_can_do_is_accepted(pattern: str) -> None:
    assert pattern_issue(pattern) is None
