"""An expectation without an issue is accepted by Great Expectations, and one with an issue would be rejected or useless."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from assay.inputs.supported_expectations import SUPPORTED, expectation_findings

# Great Expectations imports modules that Python is about to drop.
pytestmark = pytest.mark.filterwarnings("ignore:module 'sre_:DeprecationWarning")

VALUES: dict[str, list[object]] = {
    "value_set": [["a"], [1, None], [], "a", 3, None],
    "value_pairs_set": [[["a", "b"]], "a", 3],
    "min_value": [1, 1.5, datetime(2026, 1, 1, tzinfo=UTC), [1]],
    "max_value": [1],
    "strict_min": [True],
    "value": [1, 2.5, "3", "x"],
    "regex": ["^a$", 3],
    "regex_list": [["^a$"], "a"],
    "match_on": ["any", "all", "some"],
    "strftime_format": ["%Y-%m-%d", "%Q"],
    "or_equal": [True],
    "no_such_kwarg": [1],
}  # fmt: skip
REQUIRED = {"value_pairs_set", "value_set", "value", "regex", "regex_list", "strftime_format"}


def kwargs_of(kind: str) -> dict[str, object]:
    fields = SUPPORTED[kind].model_fields
    limits = {"max_value": 5} if "max_value" in fields else {}
    return {
        **dict.fromkeys(SUPPORTED[kind].columns, "n"),
        **{key: VALUES[key][0] for key in fields if key in REQUIRED},
        **limits,
    }


def is_accepted_by_great_expectations(kind: str, kwargs: dict[str, object]) -> bool:
    from great_expectations.expectations.expectation_configuration import ExpectationConfiguration

    try:
        ExpectationConfiguration(type=kind, kwargs=dict(kwargs)).to_domain_obj()
    except (ValueError, TypeError):
        return False
    return True


CASES = [
    (kind, {**kwargs_of(kind), key: value})
    for kind in SUPPORTED
    for key, values in VALUES.items()
    if key in SUPPORTED[kind].model_fields or key == "no_such_kwarg"
    for value in values
]


@pytest.mark.parametrize(("kind", "kwargs"), CASES)
def test_an_expectation_has_an_issue_exactly_if_great_expectations_rejects_it(
    kind: str, kwargs: dict[str, object]
) -> None:
    found = list(expectation_findings({"type": kind, "kwargs": kwargs}))

    assert is_accepted_by_great_expectations(kind, kwargs) is (not found), found


@pytest.mark.parametrize(
    ("kind", "kwargs"),
    [
        ("expect_column_values_to_match_regex", {"column": "n"}),
        ("expect_column_values_to_match_regex", {"column": "n", "regex": "("}),
        ("expect_column_values_to_match_regex", {"column": "n", "regex": "a(?=b)"}),
        ("expect_column_values_to_match_regex_list", {"column": "n", "regex_list": ["("]}),
        ("expect_column_values_to_be_in_set", {"column": ""}),
    ],
)
def test_an_expectation_that_every_row_would_violate_has_an_issue(kind: str, kwargs: dict[str, object]) -> None:
    assert list(expectation_findings({"type": kind, "kwargs": kwargs}))
