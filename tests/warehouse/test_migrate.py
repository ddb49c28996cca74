"""Live tables are brought to the schema files by adding; whatever else differs is said and left alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from assay.errors import UsageError
from assay.warehouse.client import Warehouse
from assay.warehouse.migrate import DATASETS, diff, migrate, numbered, table_sizes
from assay.warehouse.schema import Column, TableSchema, landing_tables
from tests.warehouse.examples import full

NEW = Column("added_later", "STRING", "NULLABLE", "A column of a later release.")


def small(name: str, *columns: Column) -> dict[str, TableSchema]:
    """A table of the tests' own, made like the landing tables."""
    fixed = (
        Column("data_date", "DATE", "REQUIRED", "The day."),
        Column("task", "STRING", "REQUIRED", "The task."),
        Column("n", "INTEGER", "NULLABLE", "A number."),
    )
    schema = landing_tables()["runs"]
    return {name: replace(schema, name=name, key=("task",), cluster=("task",), columns=(*fixed, *columns))}


def live(warehouse: Warehouse, table: str) -> dict[str, str]:
    found = warehouse.client.get_table(f"{warehouse.settings.project}.{warehouse.landing}.{table}", timeout=30)
    return {field.name: field.field_type for field in found.schema}


def run_sql(warehouse: Warehouse, sql: str) -> None:
    warehouse.query(sql)


@pytest.fixture
def told() -> list[str]:
    return []


def test_every_dataset_and_table_is_made_as_the_schema_files_say(warehouse: Warehouse) -> None:
    client, settings = warehouse.client, warehouse.settings
    for name in DATASETS:
        assert client.get_dataset(f"{settings.project}.dev_{name}", timeout=30).description == DATASETS[name]
    for schema in landing_tables().values():
        table = client.get_table(f"{settings.project}.dev_landing.{schema.name}", timeout=30)
        assert (table.time_partitioning.field, table.time_partitioning.type_) == (schema.partition, "DAY")
        assert tuple(table.clustering_fields) == schema.cluster
        assert schema.grain in table.description
        assert {field.name: field.description for field in table.schema} == {
            column.name: column.description for column in schema.columns
        }


def test_after_migrate_nothing_differs_and_migrate_says_nothing(warehouse: Warehouse, told: list[str]) -> None:
    assert diff(warehouse) == []
    migrate(warehouse, report=told.append)
    assert told == []


def test_before_migrate_every_table_is_reported_missing(warehouse: Warehouse) -> None:
    other = Warehouse(replace(warehouse.settings, env="prod"))
    assert {str(found) for found in diff(other)} == {f"{name}: the table is missing" for name in landing_tables()}


def test_rows_are_counted_without_a_query(warehouse: Warehouse) -> None:
    from assay.warehouse.landing import LandingWriter

    before = table_sizes(warehouse)["estimates"]
    LandingWriter(warehouse).append([full("estimates"), full("estimates")])
    assert table_sizes(warehouse)["estimates"] == before + 2


def test_a_new_nullable_column_is_added_and_told(warehouse: Warehouse, told: list[str]) -> None:
    migrate(warehouse, report=told.append, tables=small("grows"))
    assert [str(found) for found in diff(warehouse, tables=small("grows", NEW))] == [
        "grows: column added_later (STRING, NULLABLE) is missing"
    ]
    migrate(warehouse, report=told.append, tables=small("grows", NEW))
    assert told == ["created grows", "added to grows: added_later"]
    assert live(warehouse, "grows")["added_later"] == "STRING"


def test_rows_that_were_there_survive_a_new_column(warehouse: Warehouse, told: list[str]) -> None:
    migrate(warehouse, report=told.append, tables=small("keeps"))
    run_sql(warehouse, "insert into keeps (data_date, task, n) values (date '2024-01-01', 't', 7)")
    migrate(warehouse, report=told.append, tables=small("keeps", NEW))
    assert list(warehouse.stream("select n, added_later from keeps")) == [{"n": 7, "added_later": None}]


@pytest.mark.parametrize(
    ("name", "changed", "said"),
    [
        ("loses", small("loses"), "column added_later is not in the schema file"),
        (
            "retypes",
            small("retypes", replace(NEW, type="INTEGER")),
            "column added_later is STRING NULLABLE, expected INTEGER NULLABLE",
        ),
        (
            "demands",
            small("demands", NEW, Column("must", "STRING", "REQUIRED", "Wanted.")),
            r"column must \(STRING, REQUIRED\) is missing",
        ),
        (
            "reclusters",
            {"reclusters": replace(small("reclusters", NEW)["reclusters"], cluster=("n",))},
            "clustered by task, expected n",
        ),
        (
            "repartitions",
            {"repartitions": replace(small("repartitions", NEW)["repartitions"], partition="other")},
            r"partitioned by data_date \(DAY\), expected by other \(DAY\)",
        ),
    ],
)
def test_what_cannot_be_added_is_said_and_not_repaired(
    warehouse: Warehouse, name: str, changed: dict[str, TableSchema], said: str
) -> None:
    migrate(warehouse, report=lambda _: None, tables=small(name, NEW))
    before = live(warehouse, name)
    with pytest.raises(UsageError, match=rf"{name}: {said} \(needs a numbered migration\)"):
        migrate(warehouse, report=lambda _: None, tables=changed)
    assert live(warehouse, name) == before


def test_numbered_migrations_run_once_in_the_order_of_their_numbers(
    bare: Warehouse, tmp_path: Path, told: list[str]
) -> None:
    (tmp_path / "0002_doubles.sql").write_text("update stepwise set n = n * 2 where true")
    (tmp_path / "0001_adds.sql").write_text("update stepwise set n = n + 5 where true")
    migrate(bare, report=told.append, tables=small("stepwise"), migrations_dir=tmp_path / "none_yet")
    run_sql(bare, "insert into stepwise (data_date, task, n) values (date '2024-01-01', 't', 1)")
    for _ in range(2):
        migrate(bare, report=told.append, tables=small("stepwise"), migrations_dir=tmp_path)
    assert told[1:] == ["applied migration 0001_adds.sql", "applied migration 0002_doubles.sql"]
    assert list(bare.stream("select n from stepwise")) == [{"n": 12}]
    (tmp_path / "0003_fails.sql").write_text("update no_such_table set n = 1 where true")
    for _ in range(2):
        with pytest.raises(UsageError, match="no_such_table"):
            migrate(bare, report=told.append, tables=small("stepwise"), migrations_dir=tmp_path)
    assert list(bare.stream("select n from stepwise")) == [{"n": 12}]


@pytest.mark.parametrize("names", [["1_short.sql"], ["no_number.sql"], ["0001_a.sql", "0001_b.sql"], ["0001-a.sql"]])
def test_a_migration_with_a_bad_name_is_refused(tmp_path: Path, names: list[str]) -> None:
    for name in names:
        (tmp_path / name).write_text("select 1")
    with pytest.raises(UsageError, match=r"expected a unique number and a name, such as 0001_what_it_does\.sql"):
        numbered(tmp_path)


def test_the_migrations_of_the_house_have_good_names() -> None:
    from assay.warehouse.migrate import MIGRATIONS_DIR

    assert numbered(MIGRATIONS_DIR) == sorted(numbered(MIGRATIONS_DIR))
