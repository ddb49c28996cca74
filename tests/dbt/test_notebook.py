"""Reading the marts as the pages say: the notebook and every `assay query` are carried out on marts with rows in them."""

from __future__ import annotations

import os
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

from assay.settings import load_settings
from assay.warehouse.client import Warehouse
from assay.warehouse.reading import read_only
from tests.dbt.conftest import Built
from tests.dbt.project import ENV, ROOT
from tests.docs.pages import command_lines
from tests.emulator import Endpoints

NOTEBOOK = ROOT / "notebooks" / "01_query_the_marts.ipynb"
NEVER_BUILT = "staging"
CELL_SECONDS = 120
QUERIES = [line.arguments[1] for line in command_lines() if line.is_whole and line.arguments[:1] == ("query",)]


def test_the_notebook_shows_tables_and_pictures_of_built_marts(built: Built) -> None:
    outputs = executed(built.endpoints, env=ENV)
    assert sum("text/html" in output for output in outputs) == 3
    assert sum("image/png" in output for output in outputs) >= 2
    assert not any("Nothing to show" in output.get("text/markdown", "") for output in outputs)


def test_the_notebook_says_what_to_do_where_nothing_was_built(emulator: Endpoints) -> None:
    messages = [output.get("text/markdown", "") for output in executed(emulator, env=NEVER_BUILT)]
    assert sum("cannot be read" in message for message in messages) == 3
    assert sum("assay run TASK" in message for message in messages) == 3


def test_the_notebook_is_kept_without_outputs() -> None:
    cells = [cell for cell in nbformat.read(NOTEBOOK, as_version=4).cells if cell.cell_type == "code"]
    assert all(cell.outputs == [] and cell.execution_count is None for cell in cells)


@pytest.mark.parametrize("sql", QUERIES)
def test_every_query_of_the_pages_is_answered(sql: str, built: Built) -> None:
    warehouse = Warehouse(load_settings(environment(built.endpoints, env=ENV)))
    assert read_only(warehouse, sql).columns


def executed(endpoints: Endpoints, *, env: str) -> list[dict[str, Any]]:
    """What every cell displayed, by MIME type."""
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    client = NotebookClient(notebook, timeout=CELL_SECONDS, resources={"metadata": {"path": str(NOTEBOOK.parent)}})
    client.execute(env={**os.environ, **environment(endpoints, env=env)})
    outputs = (output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs)
    return [output.data for output in outputs if output.output_type == "display_data"]


def environment(endpoints: Endpoints, *, env: str) -> dict[str, str]:
    """The settings of a project whose warehouse is the emulator; nothing is written into the checkout."""
    return {
        "ASSAY_ENV": env,
        "ASSAY_ROOT": str(ROOT),
        "ASSAY_BIGQUERY_ENDPOINT": endpoints.rest,
        "ASSAY_BIGQUERY_GRPC_ENDPOINT": endpoints.grpc,
        "ASSAY_HASH_KEY": "k" * 32,
        "ASSAY_LOCAL_TOKEN": endpoints.token,
    }
