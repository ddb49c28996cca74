"""Rules that make sense, and those that do not."""

from __future__ import annotations

from typing import Any

import pytest

from assay.errors import UsageError
from assay.inputs.rules import InputRules, require_columns


def expectation(kind: str, **kwargs: object) -> dict[str, object]:
    return {"type": kind, "kwargs": kwargs}


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        ({"record_id": ""}, "record_id is empty"),
        ({"on_duplicate": "last"}, "expected 'reject' or 'first'"),
        ({"max_rejected_share": 1.5}, "from 0 to 1"),
        ({"max_cell_bytes": 0}, "at least 1"),
        (
            {"expectations": (expectation("expect_column_mean_to_be_between", column="n"),)},
            "validates each row independently",
        ),
        (
            {"expectations": (expectation("expect_column_values_to_be_unique", column="n"),)},
            "validates each row independently",
        ),
        ({"expectations": (expectation("expect_column_values_to_be_null"),)}, "no 'column'"),
        (
            {"expectations": ({"type": "expect_column_values_to_be_null"},)},
            "a mapping that names its column, found none",
        ),
        ({"expectations": (expectation("expect_column_values_to_be_null", column="n", mostly=0.9),)}, "has 'mostly'"),
    ],
)
def test_a_rule_that_cannot_be_followed_is_refused(rules: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        InputRules(**{"record_id": "id", **rules})


def test_a_missing_column_is_named_with_those_found_and_the_nearest() -> None:
    rules = InputRules(record_id="id", required_columns=("text", "channel"))
    with pytest.raises(UsageError) as refused:
        require_columns(("id", "Text ", "chanel"), rules, label="a.csv")
    assert "a.csv has no column 'text', 'channel': found 'id', 'Text ', 'chanel'" in str(refused.value)
    assert "the closest match for 'text' is 'Text '; the closest match for 'channel' is 'chanel'" in str(refused.value)


def test_a_header_with_another_delimiter_is_recognised() -> None:
    with pytest.raises(UsageError, match="the header contains ';'"):
        require_columns(("id;text",), InputRules(record_id="id"), label="a.csv")


def test_a_column_that_an_expectation_judges_is_required() -> None:
    rules = InputRules(record_id="id", expectations=(expectation("expect_column_values_to_be_null", column="n"),))
    assert rules.columns() == ("id", "n")
