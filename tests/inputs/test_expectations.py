"""Expectations carried out on chunks."""

from __future__ import annotations

import pytest

from assay.errors import UsageError
from assay.inputs.expectations import Suite, _chunks, _FrameValidator, _load
from assay.inputs.supported_expectations import SUPPORTED

# Great Expectations imports modules that Python is about to drop.
pytestmark = pytest.mark.filterwarnings("ignore:module 'sre_:DeprecationWarning")


def suite(kind: str, **kwargs: object) -> Suite:
    return Suite([{"type": kind, "kwargs": {"column": "n", **kwargs}}])


def broken(kind: str, values: list[object], **kwargs: object) -> list[int]:
    return [violation.index for violation in suite(kind, **kwargs).violations({"n": values})]


def test_rows_that_break_an_expectation_are_found_by_their_place() -> None:
    assert broken("expect_column_values_to_be_in_set", ["a", "c", "b", "d"], value_set=["a", "b"]) == [1, 3]


def test_an_integer_beside_a_null_stays_an_integer() -> None:
    assert broken("expect_column_values_to_be_in_set", [2**53 + 1, None], value_set=[2**53 + 1]) == []


def test_a_value_of_a_type_that_cannot_be_judged_breaks_the_expectation_and_others_are_still_judged() -> None:
    found = suite("expect_column_values_to_be_between", min_value=2).violations({"n": [1, "secret", 3, None]})
    assert {one.index: one.explanation for one in found} == {
        0: "expect_column_values_to_be_between does not hold for column 'n'",
        1: "expect_column_values_to_be_between cannot validate values of type str in column 'n'; "
        "cells of CSV and TSV are text: match a pattern, or provide the input as Parquet",
    }


def test_a_row_that_breaks_two_expectations_is_named_once_by_the_first() -> None:
    both = Suite(
        [
            {"type": "expect_column_values_to_not_be_null", "kwargs": {"column": "n"}},
            {"type": "expect_column_values_to_not_be_null", "kwargs": {"column": "m"}},
        ]
    )
    assert [(one.index, one.column) for one in both.violations({"n": [None], "m": [None]})] == [(0, "n")]


def test_kwargs_that_great_expectations_refuses_are_named_before_a_row_is_read() -> None:
    with pytest.raises(UsageError, match=r"expect_column_values_to_match_regex.*is invalid"):
        suite("expect_column_values_to_match_regex", regex=["a"], no_such_option=1)


KWARGS: dict[str, dict[str, object]] = {
    "expect_column_pair_values_to_be_in_set": {"value_pairs_set": [("x", "y")]},
    "expect_column_value_lengths_to_be_between": {"max_value": 1},
    "expect_column_value_lengths_to_equal": {"value": 1},
    "expect_column_values_to_be_between": {"min_value": 2},
    "expect_column_values_to_be_in_set": {"value_set": ["y"]},
    "expect_column_values_to_match_regex": {"regex": "^y$"},
    "expect_column_values_to_match_regex_list": {"regex_list": ["^y$"]},
    "expect_column_values_to_match_strftime_format": {"strftime_format": "%Y"},
    "expect_column_values_to_not_be_in_set": {"value_set": ["xx"]},
    "expect_column_values_to_not_match_regex": {"regex": "x"},
    "expect_column_values_to_not_match_regex_list": {"regex_list": ["x"]},
}


@pytest.mark.parametrize("kind", sorted(SUPPORTED))
def test_every_allowed_expectation_finds_the_row_that_breaks_it(kind: str) -> None:
    columns = dict(zip(SUPPORTED[kind].columns, ("n", "m"), strict=False))
    judge = Suite([{"type": kind, "kwargs": {**columns, **KWARGS.get(kind, {})}}])
    breaking = {"expect_column_values_to_not_be_null": None, "expect_column_values_to_be_between": 1}
    cells: dict[str, list[object]] = {"n": [breaking.get(kind, "xx")], "m": ["zz"]}
    assert [violation.index for violation in judge.violations({name: cells[name] for name in judge.columns})] == [0]


PATTERNS = ["^y$", "y", "", "^$", "[0-9]+", "(a|b)c", "(?i)Y", "\\.", "ü", "^\\s*$", "x{2,3}", "^.*b"]
VALUES: list[object] = [
    "y", "xyx", "", " ", "x", "xx", "xxxx", "abc", "Ac", "a\nb", "ü", "1.5", 1.5, 10, True, None, float("nan"), "Y", "b",
]  # fmt: skip


@pytest.mark.filterwarnings("ignore:This pattern is interpreted as a regular expression, and has match groups")
@pytest.mark.parametrize("kind", sorted(kind for kind in SUPPORTED if "_match_regex" in kind))
@pytest.mark.parametrize("match_on", ["any", "all"])
def test_patterns_find_the_rows_that_great_expectations_finds(kind: str, match_on: str) -> None:
    is_list = kind.endswith("list")
    chosen = list(zip(PATTERNS, [*PATTERNS[1:], PATTERNS[0]], strict=True)) if is_list else PATTERNS
    for given in chosen:
        kwargs: dict[str, object] = {"regex_list": list(given)} if is_list else {"regex": given}
        if kind == "expect_column_values_to_match_regex_list":
            kwargs["match_on"] = match_on
        declared = {"type": kind, "kwargs": {"column": "n", **kwargs}}
        theirs = _FrameValidator(kind, ("n",), _load(declared), _chunks())
        expected = sorted(violation.index for violation in theirs.violations({"n": VALUES}))
        assert broken(kind, VALUES, **kwargs) == expected, given


def test_a_pattern_that_backtracks_takes_linear_time() -> None:
    text = "a" * 100_000 + "!"  # Python's re would try 2 ** 100,000 ways
    assert broken("expect_column_values_to_match_regex", [text, "aaa"], regex="^(a+)+$") == [0]
