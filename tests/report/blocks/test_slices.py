"""The block shows the slices of landed estimates, worst first, and says what was not tested."""

from __future__ import annotations

import json
from typing import Any

from assay.report.blocks.slices import COLUMNS, slice_notes, slice_rows, slices_against_rest


def landed(name: str, value: float, adjusted_p: float | None, **columns: Any) -> dict[str, Any]:
    details = {
        **{"rate": 0.9 + value, "rest_rate": 0.9, "n_rest": 180, "records": 20, "rest_records": 180},
        **{"p_value": adjusted_p, "adjusted_p": adjusted_p, "tested_slices": 0 if adjusted_p is None else 3},
    }
    tested = adjusted_p is not None
    row = {"metric": "slice_difference", "population": "input", "slice": name, "n": 20, "value": value}
    bounds = {"low": value - 0.1 if tested else None, "high": value + 0.1 if tested else None}
    return {**row, **bounds, "status": "ok", "reason": None, "details": json.dumps(details), **columns}


def test_slices_are_worst_first_and_untested_ones_last_with_their_reason() -> None:
    few = "9 records in the slice, fewer than 10: not tested"
    found = slices_against_rest(
        [
            landed("k=a", 0.05, 0.03),
            landed("k=few", -0.5, None, status="too_few", reason=few),
            landed("k=b", -0.02, 1.0),
            landed("k=c", -0.2, 0.004, status="warning", reason="12 clusters on one side, fewer than 30"),
            {**landed("overall", 0.9, None), "metric": "reliability"},
        ]
    )

    rows = slice_rows(found)

    assert [(row[0], row[-1]) for row in rows] == [
        ("k=c", "worse"),
        ("k=b", "not decisive"),
        ("k=a", "better"),
        ("k=few", few),
    ]
    assert len(rows[0]) == len(COLUMNS)
    assert rows[0] == (
        *("k=c", "20 (warning)", "70.0%", "90.0%", "-20.0 points, -30.0 points to -10.0 points", "0.004", "worse"),
    )
    assert rows[3][4:6] == ("-50.0 points", "–")


def test_the_notes_state_the_family_and_what_is_not_shown() -> None:
    found = slices_against_rest([landed(f"k={name}", -0.1, 0.5) for name in "abc"])
    assert len(slice_rows(found, most=2)) == 2
    family, more = slice_notes(found, most=2)
    assert "all 3 tested slices together" in family and more.startswith("1 more slices")
    assert list(slice_notes([])) == []


def test_details_may_be_read_already() -> None:
    row = landed("k=a", -0.1, 0.5)
    assert slices_against_rest([{**row, "details": json.loads(row["details"])}])[0].rest_rate == 0.9
