"""`assay query` reads and does nothing else, whether or not the warehouse says what kind of statement it was given."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from assay.errors import UsageError
from assay.inputs.sources import open_source
from assay.warehouse.client import Warehouse
from assay.warehouse.reading import read_only

READS = [
    "select 1 as n",
    "with one as (select 1 as n) select * from one",
    "(select 1 as n)",
    "-- a comment\nselect 1 as n",
    "/* ; drop table x */ select 1 as n;",
    "select 1 as n -- ; delete",
    "# another\n(select 1 as n) ;",
]
CHANGES = {
    "delete from dev_landing.runs where true": "DELETE",
    "insert into dev_landing.runs (task) values ('x')": "INSERT",
    "update dev_landing.runs set task = 'x' where true": "UPDATE",
    "truncate table dev_landing.runs": "TRUNCATE",
    "create table dev_landing.mine as select 1 as n": "CREATE",
    "drop table dev_landing.runs": "DROP",
    "create schema mine": "CREATE",
    "select 1; select 2": "SCRIPT",
    "(select 1); drop table dev_landing.runs": "SCRIPT",
    "begin select 1; end": "SCRIPT",
    "declare n int64 default 1; select n": "SCRIPT",
    "": "nothing",
    "  -- only words": "nothing",
    ";": "nothing",
}


def tables(warehouse: Warehouse) -> list[str]:
    return sorted(table.table_id for table in warehouse.client.list_tables("dev_landing", timeout=30))


@pytest.mark.parametrize("sql", READS)
def test_one_query_is_answered(warehouse: Warehouse, sql: str) -> None:
    result = read_only(warehouse, sql)
    assert (result.columns, list(result.rows)) == (("n",), [(1,)])


@pytest.mark.parametrize("sql", CHANGES)
def test_anything_else_is_refused_by_its_kind_and_not_run(warehouse: Warehouse, sql: str) -> None:
    before = tables(warehouse)
    with pytest.raises(UsageError, match=rf"assay query: expected a single SELECT statement, found {CHANGES[sql]}"):
        read_only(warehouse, sql)
    assert tables(warehouse) == before


@pytest.mark.parametrize("text", ["'; drop table x'", '"; --"', "r'\\d;'", '"""a ; \n b"""', "'it\\'s; '"])
def test_a_semicolon_in_a_text_is_no_second_statement(warehouse: Warehouse, text: str) -> None:
    result = read_only(warehouse, f"select {text} as n")
    assert len(list(result.rows)) == 1


@pytest.mark.parametrize("hidden", ["'a' ; drop", "'a\\\\' ; drop", '"""a""" ; drop', "1 -- '\n; drop"])
def test_a_second_statement_is_found_behind_texts_and_comments(warehouse: Warehouse, hidden: str) -> None:
    with pytest.raises(UsageError, match="found SCRIPT"):
        read_only(warehouse, f"select {hidden} table dev_landing.runs")


@pytest.mark.parametrize(
    "sql", ["select 1 as id; drop table dev_landing.runs", "select r'\\'; drop table dev_landing.runs --'"]
)
def test_an_input_obeys_the_same_rule(warehouse: Warehouse, sql: str) -> None:
    before = tables(warehouse)
    with pytest.raises(UsageError, match="nothing was executed"):
        open_source(sql, root=Path(), query=warehouse, data_date=date(2024, 5, 1))
    with pytest.raises(UsageError, match="nothing was executed"):
        next(warehouse.stream_select(sql, {}, what="SQL of the input"))
    assert tables(warehouse) == before


def test_an_input_may_use_the_day_in_a_select_with_comments_and_brackets(warehouse: Warehouse) -> None:
    sql = "-- day\n(select 1 as id, @data_date as day)"
    source = open_source(sql, root=Path(), query=warehouse, data_date=date(2024, 5, 1))
    assert [row.cells for row in source.rows()] == [{"id": 1, "day": date(2024, 5, 1)}]
