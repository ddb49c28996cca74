"""What the user names, and what it turns out to be."""

from __future__ import annotations

import hashlib
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from assay.errors import UsageError
from assay.inputs.sources import source_issue
from tests.fakes.queries import ListQuery
from tests.inputs.conftest import Desk


def test_a_file_is_labelled_by_its_path_in_the_project_and_known_by_its_bytes(desk: Desk) -> None:
    (desk.root / "in").mkdir()
    source = desk.open(desk.write("in/a.csv", "id\n1\n"))
    assert (source.label, source.fingerprint()) == ("in/a.csv", hashlib.sha256(b"id\n1\n").hexdigest())


def test_a_table_is_read_whole_and_labelled_by_its_name(desk: Desk) -> None:
    query = ListQuery([{"id": 1}])
    source = desk.open("my-project.raw.tickets", query)
    assert [row.cells for row in source.rows()] == [{"id": 1}]
    assert (source.label, source.fingerprint()) == ("my-project.raw.tickets", None)
    assert query.calls == [("select * from `my-project.raw.tickets`", {})]


def test_a_query_is_given_its_date_as_a_parameter(desk: Desk) -> None:
    query = ListQuery([{"id": 1}])
    sql = "select id from raw.tickets where day = @data_date"
    source = desk.open(sql, query)
    list(source.rows())
    assert query.calls == [(sql, {"data_date": date(2024, 5, 1)})]
    assert source.label == f"query:{hashlib.sha256(sql.encode()).hexdigest()[:12]}"


@pytest.mark.parametrize("before", ["-- weekly sample\n", "# note\n", "/* note */", "(", "\n\t( /* a */ -- b\n("])
def test_comments_and_brackets_may_precede_the_select(desk: Desk, before: str) -> None:
    sql = f"{before}select 1 as id, 'hi' as text" + ")" * before.count("(")
    source = desk.open(sql, ListQuery([{"id": 1}]))
    assert source.label.startswith("query:")
    assert source_issue(sql) == ""


@pytest.mark.parametrize(
    ("spec", "found"),
    [("select 1; select 2", "SCRIPT"), ("call p()", "CALL"), ("-- a\ninsert into x select 1", "INSERT")],
)
def test_a_task_states_only_a_select(spec: str, found: str) -> None:
    assert source_issue(spec) == f"a single SELECT statement, not {found}"


def test_looking_at_the_columns_does_not_run_the_query_twice(desk: Desk) -> None:
    query = ListQuery([{"id": 1}, {"id": 2}])
    source = desk.open("with t as (select 1 as id) select id from t", query)
    assert source.columns() == ("id",)
    assert [row.position for row in source.rows()] == [0, 1]
    assert len(query.calls) == 1


def test_values_of_the_warehouse_reach_the_snapshot_as_json(desk: Desk) -> None:
    row = {"id": Decimal("7"), "at": datetime(2024, 5, 1, tzinfo=UTC), "price": Decimal("0.10"), "all": [{"a": b"x"}]}
    record = next(desk.spool("raw.tickets", query=ListQuery([row])).records())
    assert record.record_id == "7"
    assert record.cells == {"id": "7", "at": "2024-05-01T00:00:00+00:00", "price": "0.10", "all": [{"a": "eA=="}]}


def test_a_value_that_json_cannot_hold_costs_its_row_alone(desk: Desk) -> None:
    rows = list(desk.open("raw.t", ListQuery([{"id": 1, "n": object()}, {"id": 2, "n": "\ud800"}, {"id": 3}])).rows())
    assert [row.reason for row in rows] == ["unreadable_row", "undecodable_text", None]
    assert rows[0].explanation == "expected values that JSON can represent, found one of type object"


def test_a_query_without_rows_is_refused(desk: Desk) -> None:
    with pytest.raises(UsageError, match=r"raw\.t has no rows"):
        desk.spool("raw.t", query=ListQuery([]))


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("ticket.csv", "does not exist.*files in that folder: tickets.csv"),
        ("notes.txt", "does not exist"),
        ("in/tickets", "does not exist"),
        ("tickets.csv.gz", "does not exist"),
        ("drop table x", "SQL of the input: expected a single SELECT statement, found DROP; nothing was executed"),
        ("select 1 as id; drop table x", "found SCRIPT"),
        ("-- note\n(delete from x where true)", "not recognized"),
        ("load data.csv", "does not exist"),
        ("a`b.c", "is not recognized"),
        ("", "is not recognized"),
        ("raw.tickets", "needs a warehouse"),
        ("select 1 as id", "needs a warehouse"),
        ("folder.csv", "is a folder"),
        ("sheet.xlsx", "has the extension '.xlsx'"),
    ],
)
def test_an_input_that_cannot_be_opened_is_refused_with_what_was_expected(desk: Desk, spec: str, message: str) -> None:
    desk.write("tickets.csv", "id\n1\n")
    desk.write("sheet.xlsx", "PK")
    (desk.root / "folder.csv").mkdir()
    with pytest.raises(UsageError, match=message):
        desk.open(spec)


def test_a_file_outside_the_project_is_labelled_by_its_full_path(
    desk: Desk, tmp_path_factory: pytest.TempPathFactory
) -> None:
    outside: Path = tmp_path_factory.mktemp("elsewhere") / "a.csv"
    outside.write_text("id\n1\n", encoding="utf-8")
    assert desk.open(str(outside)).label == outside.as_posix()
