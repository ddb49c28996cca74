"""Every statement of the engine is GoogleSQL over the tables as they are, and runs with the parameters it declares."""

from __future__ import annotations

import ast
import importlib
import re
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from assay.settings import Settings
from assay.warehouse.client import Warehouse
from assay.warehouse.statement import LANDING, Statement
from tests.emulator import running_emulator
from tests.oracles.googlesql import Analyzer, Field, NotGoogleSQL
from tests.oracles_assay.relations import relations

QUERIES = (*Path("assay").rglob("queries.py"), *Path("assay").rglob("queries/[!_]*.py"))
PLACES = ("assay/warehouse/statement.py", *sorted(map(str, QUERIES)))
"""Where statements are kept: beside their package's code, and those of several packages in the warehouse."""


def statements_of(place: str) -> dict[str, Statement]:
    """The statements that the file defines; what it imports from another file is the other file's."""
    module = importlib.import_module(place.removesuffix(".py").replace("/", "."))
    own = {node.id for node in ast.walk(ast.parse(Path(place).read_text("utf-8"))) if isinstance(node, ast.Name)}
    return {name: value for name, value in vars(module).items() if isinstance(value, Statement) and name in own}


STATEMENTS = {name: statement for place in PLACES for name, statement in statements_of(place).items()}
VALUES = {
    "STRING": "nobody",
    "DATE": date(2026, 3, 2),
    "TIMESTAMP": datetime(2026, 3, 2, tzinfo=UTC),
    "INT64": 1,
    "ARRAY<FLOAT64>": [0.6, 0.8],
    "ARRAY<STRING>": ["nobody"],
}
CLIENT_TYPES = {"STRING": "STRING", "JSON": "JSON", "BOOL": "BOOLEAN", "INT64": "INTEGER", "FLOAT64": "FLOAT"}
TIMEOUT_S = 30.0


@pytest.fixture(scope="module")
def analyzers() -> dict[str, Analyzer]:
    """One for each dataset; all ask the one analyzer of this process."""
    made = {}
    for dataset, tables in relations().items():
        made[dataset] = Analyzer()
        for name, fields in tables.items():
            made[dataset].add_table(name, fields)
    return made


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warehouse]:
    """An emulator with every relation, empty."""
    from google.cloud import bigquery

    root: Path = tmp_path_factory.mktemp("oracle")
    with running_emulator(root / "emulator") as endpoints:
        places = {"bigquery_endpoint": endpoints.rest, "bigquery_grpc_endpoint": endpoints.grpc}
        made = Warehouse(Settings(root=root, local_token=endpoints.token, **places))  # type: ignore[arg-type]
        for dataset, tables in relations().items():
            place = f"{made.settings.project}.{made.settings.dataset(dataset)}"
            made.client.create_dataset(place, timeout=TIMEOUT_S)
            for name, fields in tables.items():
                made.client.create_table(
                    bigquery.Table(f"{place}.{name}", [_column(field) for field in fields]), timeout=TIMEOUT_S
                )
        yield made


def test_every_package_with_statements_is_read_and_no_name_is_used_twice() -> None:
    assert len(PLACES) == 21
    assert len(STATEMENTS) == sum(len(statements_of(place)) for place in PLACES)


@pytest.mark.parametrize("name", STATEMENTS)
def test_statement_declares_the_parameters_it_names(name: str) -> None:
    assert dict(STATEMENTS[name].parameters).keys() == set(re.findall(r"@(\w+)", STATEMENTS[name].sql))


@pytest.mark.parametrize("name", STATEMENTS)
def test_statement_is_googlesql_over_the_tables_of_its_dataset(analyzers: dict[str, Analyzer], name: str) -> None:
    statement = STATEMENTS[name]
    columns = analyzers[statement.dataset].analyze(statement.sql, parameters=dict(statement.parameters))
    names = [column.name for column in columns]
    assert names
    assert len(names) == len(set(names))


@pytest.mark.parametrize("name", STATEMENTS)
def test_statement_runs_and_returns_what_the_analyzer_says(
    analyzers: dict[str, Analyzer], warehouse: Warehouse, name: str
) -> None:
    statement = STATEMENTS[name]
    parameters = {parameter: VALUES[kind] for parameter, kind in statement.parameters}
    found = warehouse.query(statement.sql, parameters, dataset=statement.dataset)
    wanted = analyzers[statement.dataset].analyze(statement.sql, parameters=dict(statement.parameters))
    assert [(field.name, field.field_type) for field in found.schema] == [
        (field.name, _client_type(field.data_type)) for field in wanted
    ]
    assert len(list(found)) <= 1  # an aggregate has a row over nothing


def test_analyzer_refuses_a_column_that_no_table_has(analyzers: dict[str, Analyzer]) -> None:
    with pytest.raises(NotGoogleSQL, match="nowhere"):
        analyzers[LANDING].analyze("select nowhere from runs")


def _column(field: Field) -> object:
    from google.cloud import bigquery

    element = field.data_type.removeprefix("ARRAY<").removesuffix(">")
    return bigquery.SchemaField(field.name, element, mode="NULLABLE" if element == field.data_type else "REPEATED")


def _client_type(data_type: str) -> str:
    element = data_type.removeprefix("ARRAY<").removesuffix(">")
    return CLIENT_TYPES.get(element, element)
