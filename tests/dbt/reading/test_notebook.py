"""Reading the marts as the pages say: the notebook and every `assay query` are carried out on marts with rows in them."""

from __future__ import annotations

from typing import Any

import nbformat
import pytest

from assay.report.scorecard import ReportedRun, read_scorecard
from assay.settings import load_settings
from assay.warehouse.client import Warehouse
from assay.warehouse.reading import read_only
from tests.dbt.conftest import Built
from tests.dbt.hostile_scenario import RUNS
from tests.dbt.project import ENV
from tests.dbt.reading.notebook import KEEP, NOTEBOOK, environment, executed, frames
from tests.docs.pages import command_lines
from tests.emulator import Endpoints

NEVER_BUILT = "staging"
QUERIES = [line.arguments[1] for line in command_lines() if line.is_whole and line.arguments[:1] == ("query",)]


@pytest.fixture(scope="module")
def shown(built: Built) -> list[dict[str, Any]]:
    """What the notebook displays of built marts."""
    return executed(built.endpoints, env=ENV, then=KEEP)


def test_the_notebook_shows_tables_and_pictures_of_built_marts(shown: list[dict[str, Any]]) -> None:
    outputs = shown
    assert sum("text/html" in output for output in outputs) == 3
    assert sum("image/png" in output for output in outputs) >= 2
    assert not any("Nothing to show" in output.get("text/markdown", "") for output in outputs)


def test_the_notebook_states_the_figures_of_hostile_runs(built: Built, shown: list[dict[str, Any]]) -> None:
    found = frames(shown)
    warehouse = Warehouse(load_settings(environment(built.endpoints, env=ENV)))
    for run in RUNS:
        card = read_scorecard(warehouse, run.task, ReportedRun(run_id=run.run_id)).as_dict()
        (cost,), (latency,) = (
            found[name][found[name].run_id == run.run_id].to_dict("records") for name in ("cost", "latency")
        )
        assert cost["n_correct"] == card["run"]["n_correct"]
        assert float(cost["cost_per_correct_usd"]) == pytest.approx(
            float(card["run"]["cost_per_correct_usd"]), abs=2e-9
        )
        assert latency["share_within_sla"] == pytest.approx(card["run"]["share_within_sla"])
        assert latency["end_to_end_p90_ms"] == pytest.approx(card["run"]["p90_ms"], abs=1e-6)
        if run.is_out_of_budget or run.run_id == "h00":
            continue  # the view has the predictions of whole runs, of which a later one stands for this task
        rates = found["reliability"]
        of_run = (rates.task == run.task) & (rates.inference_version == "i1") & (rates.slice == "overall")
        (rate,) = rates[of_run].to_dict("records")
        (wanted,) = (row for row in card["reliability"] if row["slice"] == "overall")
        for name in ("n_eligible", "n_correct", "reliability", "low", "high"):
            assert rate[name] == pytest.approx(wanted[name]), name


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
