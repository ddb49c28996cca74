"""JSON Lines files, good and bad."""

from __future__ import annotations

import pytest

from assay.errors import UsageError
from tests.inputs.conftest import Desk


def test_values_keep_their_json_types(desk: Desk) -> None:
    row = desk.rows("a.jsonl", b'\xef\xbb\xbf{"id": 7, "n": null, "m": [1.5, {"a": true}]}\r\n')[0]
    assert row.cells == {"id": 7, "n": None, "m": [1.5, {"a": True}]}


def test_garbage_costs_its_line_alone_and_positions_are_kept(desk: Desk) -> None:
    lines = [
        b'{"id": 1}',
        b"{'id': 2}",
        b"[3]",
        b"",
        b'{"id": "\xff"}',
        b'{"id": NaN}',
        b'{"id": "\\ud800"}',
        b'{"id": 7}',
    ]
    rows = desk.rows("a.jsonl", b"\n".join(lines))
    assert [row.position for row in rows] == list(range(7))
    bad = "unreadable_row"
    assert [row.reason for row in rows] == [None, bad, bad, "undecodable_text", bad, bad, None]


def test_no_explanation_holds_content(desk: Desk) -> None:
    rows = desk.rows("a.jsonl", '{"id": "secret"\n"secret"\n{"id": 1, "n": "secret"}\n', max_cell_bytes=5)
    assert [row.reason for row in rows] == ["unreadable_row", "unreadable_row", "oversize_cell"]
    assert not any("secret" in (row.explanation or "") for row in rows)


def test_a_whole_number_that_would_be_rounded_is_refused(desk: Desk) -> None:
    rows = desk.rows(
        "a.jsonl", '{"id": 18446744073709551615}\n{"id": 18446744073709551616}\n{"id": "18446744073709551616"}\n'
    )
    assert [row.reason for row in rows] == [None, "unreadable_row", None]


def test_a_cell_of_five_megabytes_is_oversize_and_the_id_is_kept(desk: Desk) -> None:
    first, second = desk.rows("a.jsonl", '{"id": 1, "n": "' + "x" * 5_000_000 + '"}\n{"id": 2}\n')
    assert (first.reason, first.column, first.cells, second.cells) == ("oversize_cell", "n", {"id": 1}, {"id": 2})


def test_a_line_far_over_the_limit_is_hashed_and_not_held(desk: Desk) -> None:
    first, second = desk.rows("a.jsonl", '{"id": "' + "x" * 200_000 + '"}\n{"id": 2}\n', max_cell_bytes=1_000)
    assert (first.reason, len(first.raw), second.cells) == ("oversize_cell", 71, {"id": 2})


def test_columns_are_the_keys_of_all_first_rows(desk: Desk) -> None:
    source = desk.open(desk.write("a.jsonl", '{"id": 1}\nno json\n{"id": 2, "n": 1}\n'))
    assert source.columns() == ("id", "n")


@pytest.mark.parametrize("content", ['[{"id": 1}, {"id": 2}]', '[\n{"id": 1}\n]\n', '[{"id": 1},\n{"id": 2}]'])
def test_a_json_array_is_refused_with_the_command_that_converts_it(desk: Desk, content: str) -> None:
    with pytest.raises(UsageError, match=r"jq -c"):
        desk.rows("a.jsonl", content)


def test_a_line_of_millions_of_values_is_rejected_before_they_are_in_memory(desk: Desk) -> None:
    many = '{"id": 1, "text": [' + "[]," * 2_000_000 + "0]}"
    rows = list(desk.open(desk.write("a.jsonl", f'{many}\n{{"id": 2, "text": "x"}}\n')).rows())
    assert [row.reason for row in rows] == ["oversize_cell", None]
    assert rows[0].explanation == "line 1: expected at most 2,000,000 JSON values, found more"
