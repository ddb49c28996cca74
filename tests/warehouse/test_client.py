"""One environment of one project, parameters by type, and failures in words."""

from __future__ import annotations

import socket
from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from assay.errors import ServiceUnreachable, UsageError
from assay.warehouse.client import Warehouse
from assay.warehouse.landing import LandingWriter
from tests.warehouse.examples import full


@pytest.fixture
def nowhere(warehouse: Warehouse) -> Warehouse:
    """A warehouse at a port where nobody listens."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    return Warehouse(replace(warehouse.settings, bigquery_endpoint=f"http://127.0.0.1:{port}"))


@pytest.mark.parametrize(
    "value",
    ["text 'ü'", 2**62, 1.5, True, False, date(2024, 2, 29), datetime(2024, 2, 29, 1, 2, 3, 4, UTC), None, ["a", "b"]],
)
def test_a_parameter_arrives_with_its_type_and_value(warehouse: Warehouse, value: object) -> None:
    assert list(warehouse.stream("select @value as value", {"value": value})) == [{"value": value}]


def test_a_result_of_several_pages_comes_whole_and_in_order(warehouse: Warehouse) -> None:
    sql = "select n from unnest(generate_array(1, 12000)) as n order by n"
    assert [row["n"] for row in warehouse.stream(sql)] == list(range(1, 12001))


def test_queries_that_were_begun_give_their_rows_in_any_order_of_reading(warehouse: Warehouse) -> None:
    sql = "select n from unnest(generate_array(@first, @first + 6000)) as n order by n"
    low, high = warehouse.begin(sql, {"first": 1}), warehouse.begin(sql, {"first": 10_000})
    assert [row["n"] for row in high] == list(range(10_000, 16_001))
    assert [row["n"] for row in low] == list(range(1, 6002))


def test_a_query_that_was_begun_and_finds_nothing_has_no_rows(warehouse: Warehouse) -> None:
    assert list(warehouse.begin("select 1 as n from unnest([1]) where false")) == []


def test_a_refusal_of_a_query_that_was_begun_comes_with_its_first_row(warehouse: Warehouse) -> None:
    rows = warehouse.begin("select * from no_such_table")
    with pytest.raises(UsageError, match="no_such_table was not found"):
        next(rows)


def test_a_query_is_not_begun_where_nobody_listens(nowhere: Warehouse) -> None:
    with pytest.raises(ServiceUnreachable, match="does not respond"):
        nowhere.begin("select 1")


def test_bare_names_are_those_of_the_environment(warehouse: Warehouse) -> None:
    LandingWriter(warehouse).append([full("runs", tenant_id="only-in-dev")])
    sql = "select count(*) as n from runs where tenant_id = 'only-in-dev'"
    assert list(warehouse.stream(sql)) == [{"n": 1}]
    other = Warehouse(replace(warehouse.settings, env="prod"))
    with pytest.raises(UsageError, match="prod_landing"):
        list(other.stream(sql))


def test_a_dev_environment_writes_to_dev_datasets_only(warehouse: Warehouse) -> None:
    assert warehouse.landing == "dev_landing"
    assert Warehouse(replace(warehouse.settings, env="prod")).landing == "prod_landing"


def test_nobody_at_the_port_is_unreachable_at_once_with_what_to_do(nowhere: Warehouse) -> None:
    with pytest.raises(ServiceUnreachable, match=r"does not respond .*start the local stack with `assay up`"):
        list(nowhere.stream("select 1"))


def test_a_warehouse_that_leaves_between_two_queries_is_unreachable(warehouse: Warehouse) -> None:
    mine = Warehouse(warehouse.settings)
    assert list(mine.stream("select 1 as n")) == [{"n": 1}]
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        mine.settings = replace(mine.settings, bigquery_endpoint=f"http://127.0.0.1:{unused.getsockname()[1]}")
        with pytest.raises(ServiceUnreachable):
            list(mine.stream("select 1 as n"))


def test_a_refused_statement_keeps_the_warehouse_s_words_and_nothing_else(warehouse: Warehouse) -> None:
    with pytest.raises(UsageError) as refused:
        list(warehouse.stream("select * from no_such_table"))
    message = str(refused.value)
    assert "no_such_table was not found" in message
    assert "POST" not in message
    assert "Job ID" not in message
