"""CSV and TSV files, good and bad."""

from __future__ import annotations

import csv
import io

import pytest

from assay.errors import UsageError
from tests.inputs.conftest import Desk


def test_cells_are_text_and_an_empty_cell_stays_empty_text(desk: Desk) -> None:
    assert desk.rows("a.csv", "id,n\n007,\n")[0].cells == {"id": "007", "n": ""}


def test_a_byte_order_mark_is_no_part_of_the_first_column(desk: Desk) -> None:
    assert desk.rows("a.csv", b"\xef\xbb\xbfid,n\r\n1,2\r\n")[0].cells == {"id": "1", "n": "2"}


def test_a_quoted_cell_holds_line_breaks_delimiters_and_quotes(desk: Desk) -> None:
    rows = desk.rows("a.csv", 'id,n\n1,"a\r\nb,""c"""\n2,d\n')
    assert [row.cells for row in rows] == [{"id": "1", "n": 'a\r\nb,"c"'}, {"id": "2", "n": "d"}]


def test_a_quote_in_the_middle_of_an_unquoted_cell_is_text(desk: Desk) -> None:
    rows = desk.rows("a.csv", 'id,n\n1,5" pipe\n2,d\n')
    assert [row.cells for row in rows] == [{"id": "1", "n": '5" pipe'}, {"id": "2", "n": "d"}]


def test_tabs_part_the_cells_of_a_tsv(desk: Desk) -> None:
    assert desk.rows("a.tsv", "id\tn\n1\ta,b\n")[0].cells == {"id": "1", "n": "a,b"}


def test_blank_lines_are_no_rows_and_the_last_line_needs_no_end(desk: Desk) -> None:
    rows = desk.rows("a.csv", "\nid,n\n\n1,a\n\r\n2,b")
    assert [(row.position, row.cells and row.cells["id"]) for row in rows] == [(0, "1"), (1, "2")]


def test_broken_utf_8_costs_its_row_alone_and_the_id_is_kept(desk: Desk) -> None:
    rows = desk.rows("a.csv", b"id,n\n1,a\n2,caf\xe9\n3,caf\xc3\xa9\n")
    assert [row.reason for row in rows] == [None, "undecodable_text", None]
    assert (rows[1].column, rows[1].cells, rows[1].raw) == ("n", {"id": "2"}, b"2,caf\xe9\n")


def test_a_row_with_too_few_or_too_many_cells_is_ragged(desk: Desk) -> None:
    rows = desk.rows("a.csv", "id,n\n1\n2,b\n3,c,d\n")
    assert [row.reason for row in rows] == ["ragged_row", None, "ragged_row"]
    assert rows[2].explanation == "line 4: expected 2 cells as in the header, found 3"


@pytest.mark.parametrize("cell", ["x" * 5_000_000, '"' + "x\n" * 600_000 + '"', '"' + '""' * 1_100_000 + '"'])
def test_a_huge_cell_is_oversize_and_the_next_row_is_read(desk: Desk, cell: str) -> None:
    first, second = desk.rows("a.csv", f"id,n,m\n1,{cell},z\n2,b,c\n")
    assert (first.reason, first.column, second.cells) == ("oversize_cell", "n", {"id": "2", "n": "b", "m": "c"})


def test_a_cell_far_over_the_limit_is_hashed_and_not_held(desk: Desk) -> None:
    row = desk.rows("a.csv", f"id,n\n1,{'x' * 5_000_000}\n")[0]
    assert row.raw.startswith(b"sha256:") and len(row.raw) == 71


def test_a_cell_of_exactly_the_limit_is_accepted_and_one_byte_more_is_not(desk: Desk) -> None:
    rows = desk.rows("a.csv", 'id,n\n1,"ééé"\n2,"éééx"\n3,""""""""""""""\n', max_cell_bytes=6)
    assert [row.reason for row in rows] == [None, "oversize_cell", None]


def test_a_row_of_endless_cells_is_ragged_and_not_held(desk: Desk) -> None:
    first, second = desk.rows("a.csv", "id,n\n" + "," * 500_000 + "\n2,b\n", max_cell_bytes=1_000)
    assert (first.reason, first.explanation) == (
        "ragged_row",
        "line 2: expected 2 cells as in the header, found 500001",
    )
    assert second.cells == {"id": "2", "n": "b"}


def test_a_bare_carriage_return_outside_quotes_makes_one_row_unreadable(desk: Desk) -> None:
    assert [row.reason for row in desk.rows("a.csv", "id,n\n1,a\rb\n2,b\n")] == ["unreadable_row", None]


def test_rows_are_cut_where_the_csv_module_cuts_them(desk: Desk) -> None:
    pieces = ["a", "", '"b"', '"c,d"', '"e""f"', '"g\nh"', 'i"j', '"k"l', '"m"n"o', '"p"""', '""', '"q\r\n,""r"']
    lines = [f"{one},{two}" for one in pieces for two in pieces]
    text = "id,n\n" + "\n".join(lines) + "\n"
    expected = list(csv.reader(io.StringIO(text, newline="")))[1:]
    found = [list((row.cells or {}).values()) for row in desk.rows("a.csv", text)]
    assert found == expected


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"\n\n", "blank lines"),
        (b"id,n\n", "has no rows"),
        (b"id,n,id\n1,2,3\n", "duplicate column names: 'id'"),
        (b"id,n\n1,a\x00b\n", "NUL byte in line 2"),
        (b'id,n\n1,a\n2,"b\n3,c\n', "has a quote in the row at line 3"),
        ("id,n\n1,a\n".encode("utf-16"), "is UTF-16"),
        ("id,größe\n1,a\n".encode("latin-1"), "iconv -f WINDOWS-1252"),
        (b"id,n\r1,a\r2,b\r", "carriage return in its header"),
    ],
)
def test_a_file_broken_as_a_whole_is_refused_with_what_to_do(desk: Desk, content: bytes, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        desk.rows("a.csv", content)


def test_a_file_that_grows_while_it_is_read_is_refused(desk: Desk) -> None:
    source = desk.open(desk.write("a.csv", "id\n1\n"))
    rows = source.rows()
    next(rows)
    desk.write("a.csv", "id\n1\n2\n3\n")
    with pytest.raises(UsageError, match="changed while it was being read"):
        list(rows)
