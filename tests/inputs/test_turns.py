"""Which turn of which conversation a row is."""

from __future__ import annotations

from decimal import Decimal

import pytest

from assay.inputs.turns import BadPlace, Place, TurnColumns, group_of, place_of, turn_of

COLUMNS = TurnColumns(conversation="talk", turn="n", tenant="tenant")


@pytest.mark.parametrize("value", [3, "3", " 3 ", "3.0", "3.00", 3.0, Decimal("3"), Decimal("3.0"), "003"])
def test_a_whole_number_is_a_turn_in_whatever_form_it_comes(value: object) -> None:
    assert turn_of(value) == 3


@pytest.mark.parametrize(
    "value",
    [None, "", "two", "-1", -1, "1.5", 1.5, Decimal("1.5"), True, float("nan"), float("inf"), Decimal("NaN"), [1], "٣", 2**53, "1e3"],
)  # fmt: skip
def test_anything_else_is_none(value: object) -> None:
    assert turn_of(value) is None


def test_a_place_is_read_from_its_columns() -> None:
    assert place_of({"talk": " c1 ", "n": "0"}, COLUMNS) == Place("c1", 0)
    assert place_of({"talk": 17, "n": 2}, COLUMNS) == Place("17", 2)


@pytest.mark.parametrize(
    ("cells", "reason", "column"),
    [
        ({"talk": "", "n": 1}, "missing_conversation", "talk"),
        ({"talk": None, "n": 1}, "missing_conversation", "talk"),
        ({"talk": ["c"], "n": 1}, "missing_conversation", "talk"),
        ({"talk": "c" * 1025, "n": 1}, "missing_conversation", "talk"),
        ({"talk": "c", "n": "x"}, "bad_turn", "n"),
        ({"talk": "c"}, "bad_turn", "n"),
    ],
)
def test_what_is_wrong_is_told_with_its_column_and_without_its_content(
    cells: dict[str, object], reason: str, column: str
) -> None:
    with pytest.raises(BadPlace) as fault:
        place_of(cells, COLUMNS)
    assert (fault.value.reason, fault.value.column) == (reason, column)
    assert str(fault.value).startswith("expected ")


def test_a_row_may_stand_alone_only_where_turns_are_not_required() -> None:
    optional = TurnColumns(conversation="talk", turn="n", required=False)
    assert place_of({"n": 1}, optional) is None
    with pytest.raises(BadPlace):
        place_of({"n": 1}, COLUMNS)


def test_conversations_of_two_tenants_are_two_groups_and_rows_that_stand_alone_are_one_each() -> None:
    groups = {
        group_of(place, {"tenant": tenant}, columns=COLUMNS, record_id=record_id)
        for place, tenant, record_id in (
            (Place("c", 1), "a", "r1"),
            (Place("c", 2), "a", "r2"),
            (Place("c", 1), "b", "r3"),
            (None, "a", "r4"),
            (None, "a", "r5"),
        )
    }
    assert len(groups) == 4
