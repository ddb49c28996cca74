"""Runs the shipped notebook on an emulator and returns what it displays and which frames it has read."""

from __future__ import annotations

import json
import os
from typing import Any

import nbformat
import pandas as pd
from nbclient import NotebookClient

from tests.dbt.project import ROOT
from tests.emulator import Endpoints

NOTEBOOK = ROOT / "notebooks" / "01_query_the_marts.ipynb"
CELL_SECONDS = 120
FRAMES = ("reliability", "cost", "latency")
KEEP = f"""
display({{"application/json": {{name: globals()[name].astype(object).to_json(orient="records", date_format="iso",
    double_precision=15, default_handler=str) for name in {FRAMES}}}}}, raw=True)
"""


def executed(endpoints: Endpoints, *, env: str, then: str | None = None) -> list[dict[str, Any]]:
    """What every cell displayed, by MIME type; `then` is a cell of the test's own at the end."""
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    if then is not None:
        notebook.cells.append(nbformat.v4.new_code_cell(then))
    client = NotebookClient(notebook, timeout=CELL_SECONDS, resources={"metadata": {"path": str(NOTEBOOK.parent)}})
    client.execute(env={**os.environ, **environment(endpoints, env=env)})
    outputs = (output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs)
    return [output.data for output in outputs if output.output_type == "display_data"]


def frames(outputs: list[dict[str, Any]]) -> dict[str, pd.DataFrame]:
    """The frames that the cell `KEEP` displayed, by the notebook's name."""
    kept = next(output["application/json"] for output in outputs if "application/json" in output)
    return {name: pd.DataFrame(json.loads(kept[name])) for name in FRAMES}


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
