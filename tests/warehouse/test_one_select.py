"""SQL that people state is one SELECT: by GoogleSQL's own parser, by the emulator's, and by the type that BigQuery reports."""

from __future__ import annotations

import random
import warnings
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest

from assay.errors import UsageError
from assay.settings import Settings
from assay.warehouse.client import Warehouse
from assay.warehouse.one_select import is_statement, statement_kind
from tests.fakes.bigquery import JobServer

SELECTS = [
    "select 1",
    "SELECT 1;",
    "select*from t",
    "select'a'",
    "select/**/1",
    "(select 1)",
    "((with a as (select 1) select * from a))",
    "-- x\nselect 1",
    "-- x\r\nselect 1",
    "# x\n(select 1)",
    "/* ; */ select 1 -- ; drop table x",
    "select\u20031",
    "select ';', \";\", ''';''', \"\"\";\"\"\"",
    "select `a;b` from t",
    r"select 'it\'s; ', r'\d;'",
    "select ''''''",
    "with insert as (select 1) select * from insert",
    "with a as (with b as (select 1) select * from b), c as (select ')') select 1",
    "with recursive t as (select 1) (select * from t)",
    "with recursive t as (select 1) with depth as n max 9 select * from t",
    "from t |> select x",
]
OTHERS = {
    "": "nothing",
    "-- x\u2028select 1": "nothing",
    "select 1;;": "SCRIPT",
    "select 1; select 2": "SCRIPT",
    "begin select 1; end": "SCRIPT",
    "begin": "BEGIN",
    "declare x int64": "DECLARE",
    "set x = 1": "SET",
    "call p()": "CALL",
    "execute immediate 'x'": "EXECUTE",
    "assert true": "ASSERT",
    "export data options(uri='gs://x') as select 1": "EXPORT",
    "load data into x from files()": "LOAD",
    "grant `r` on table x to 'y'": "GRANT",
    "create table x as select 1": "CREATE",
    "merge x using y on true when matched then delete": "MERGE",
    "insert into x select 1": "INSERT",
    "truncate table x": "TRUNCATE",
    "explain select 1": "EXPLAIN",
    "values (1)": "VALUES",
    "/* x */ ( -- y\n drop table x": "DROP",
    "with t as (select 1) delete from x where true": "DELETE",
    "with t as (select 1) insert into x select 1": "INSERT",
    "with t as (select 1)": "WITH without SELECT",
    "from t |> where true |> insert into y": "|> INSERT",
    "from t |> export data options(uri='x')": "|> EXPORT",
    "select '\n'": "' in line 1 that is not closed",
    "select 1\n, '''x''": "' in line 2 that is not closed",
    "select 1 /* ; ": "/* in line 1 that is not closed",
    "select `a": "` in line 1 that is not closed",
    "\x00": "\x00",
}
READ_DIFFERENTLY = [
    r"select r'\'; drop table x --'",
    'select R"""\\"""; drop table x --"""',
    r"select `a\`; drop table x --`",
    "select 1 -- \r, '''\n; drop table x -- '''",
]
"""One SELECT in GoogleSQL; the emulator sees two statements, or none."""
PIECES = [
    "select 1", "with t as (", ") ", "select * from t ", "(", ";", "\n", "\r", "\r\n", "-- ", "# ", "/*", "*/", "'", '"', "`",
    "'''", '"""', "\\", "\\'", "r'", "R\"", "rb'", "br'", "b'", "r'''", " drop table x ", " delete from x ", ",", "|> ", "insert",
    "into y", " from t ", "from t ", "\u2003", "\x0b", "\u2028", "é", "x", "1", "@p", "||", " a ", "-", "/", "*", "''", "\\\\",
]  # fmt: skip


@pytest.mark.parametrize("sql", SELECTS)
def test_one_select_is_read_as_googlesql_reads_it(sql: str) -> None:
    assert (statement_kind(sql), googlesql(sql), is_statement(sql)) == ("SELECT", "Query", True)


@pytest.mark.parametrize("sql", OTHERS)
def test_anything_else_has_its_kind(sql: str) -> None:
    assert statement_kind(sql) == OTHERS[sql]


@pytest.mark.parametrize("sql", READ_DIFFERENTLY)
def test_text_that_the_emulator_ends_elsewhere_is_refused_beside_a_semicolon(sql: str) -> None:
    assert googlesql(sql) == "Query"
    assert emulator_statements(sql) != 1
    assert "different places" in statement_kind(sql)
    assert statement_kind(sql.replace(";", ",")) == "SELECT"


@pytest.mark.parametrize(
    "name",
    ["set.csv", "load-data.csv", "call/a.csv", "with.v1.parquet", "from", "raw.select", "(copy) a.csv", "x", "#a.csv"],
)
def test_names_of_files_and_tables_are_no_statements(name: str) -> None:
    assert not is_statement(name)


@pytest.mark.parametrize(
    "seeds", [range(3), pytest.param(range(3, 60), marks=pytest.mark.verify)], ids=["small", "whole"]
)
def test_no_text_is_a_select_here_and_something_else_there(seeds: range) -> None:
    """Random texts of quotes, comments and statements: what is a SELECT here is one statement in the emulator, and in
    GoogleSQL a query or an error; what GoogleSQL takes for a query is a SELECT, unless the emulator would split it or it writes.
    """
    seen = {"select": 0, "query": 0}
    for sql in (sql for seed in seeds for sql in drawn(seed)):
        kind, parsed = statement_kind(sql), googlesql(sql)
        if kind == "SELECT":
            seen["select"] += 1
            assert emulator_statements(sql) in (0, 1), sql
            assert parsed in ("Query", "error"), sql
        if parsed == "Query":
            seen["query"] += 1
            assert kind == "SELECT" or "different places" in kind or kind.startswith("|>"), sql
    assert min(seen.values()) >= 20 * len(seeds)


@pytest.mark.parametrize("opener", ["'", '"', "`", "/*", "'''", "-- ", "r'\\", "(", "with a as ("])
def test_hostile_text_is_read_once(opener: str) -> None:
    steps = [_work("select " + opener * n) for n in (2_000, 8_000)]
    assert steps[1] < 8 * steps[0]


@pytest.mark.parametrize("reported", ["SCRIPT", "INSERT", "EXPORT_DATA", "CALL", "ASSERT"])
def test_the_type_that_bigquery_reports_decides_before_anything_runs(settings: Settings, reported: str) -> None:
    with JobServer(statement_type=reported) as server:
        warehouse = Warehouse(server.settings(settings))
        with pytest.raises(UsageError, match=f"found {reported}"):
            list(warehouse.stream_select("select f() as n", {}, what="SQL of the input"))
    assert [job["configuration"]["dryRun"] for job in server.jobs] == [True]


def drawn(seed: int) -> Iterator[str]:
    draws = random.Random(seed)
    for _ in range(400):
        pieces = draws.choices(PIECES, k=draws.randint(0, 7))
        yield draws.choice(["", "select ", "select 1 ", "select 1, "]) + "".join(pieces)


def emulator_statements(sql: str) -> int:
    """The number of statements that the emulator would execute; 0 if it refuses the text."""
    with warnings.catch_warnings():  # its import warns about an accelerator of its parser
        warnings.simplefilter("ignore")
        from bqemulator.domain.errors import InvalidQueryError
        from bqemulator.scripting.parser import parse_script
    try:
        return len(parse_script(sql).statements)
    except InvalidQueryError:
        return 0


def googlesql(sql: str) -> str:
    """The kind of the one statement, or `error`."""
    from zetasql.core.exceptions import ZetaSQLError

    try:
        return type(_parser().parse_statement(sql)).__name__.removeprefix("AST").removesuffix("Statement")
    except ZetaSQLError:
        return "error"


@cache
def _parser() -> Any:
    from zetasql.api import Parser
    from zetasql.types import LanguageOptions, ProductMode

    language = LanguageOptions.maximum_features()
    language.product_mode = ProductMode.PRODUCT_EXTERNAL
    return Parser(language)


def _work(sql: str) -> float:
    """CPU seconds for the kind of the text; the least of five, so that another process does not count."""
    import time

    def once() -> float:
        begun = time.process_time()
        statement_kind(sql)
        is_statement(sql)
        return time.process_time() - begun

    return max(min(once() for _ in range(5)), 1e-4)
