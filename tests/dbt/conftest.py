"""The emulator and the project built once on a seeded scenario, shared by the tests of the marts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tests.dbt import expected
from tests.dbt.calibration_scenario import calibration_rows
from tests.dbt.classes.classes_scenario import classes_rows
from tests.dbt.engine_scenario import engine_rows
from tests.dbt.gate_scenario import gate_rows
from tests.dbt.hostile_scenario import hostile_rows
from tests.dbt.landing import append, create_landing, read
from tests.dbt.project import ENV, DbtProject
from tests.dbt.repeats_scenario import repeats_rows
from tests.dbt.scenario import Row, landing_rows
from tests.emulator import PROJECT, Endpoints, running_emulator
from tests.oracles.googlesql import Analyzer

SEED = 20260302


@dataclass(frozen=True, slots=True)
class Built:
    """The marts as built from the scenario, and the landing rows they must agree with; `models` as last compiled."""

    endpoints: Endpoints
    project: DbtProject
    tables: expected.Tables
    models: dict[str, dict[str, Any]]
    empty_run: dict[str, str]
    full_build: dict[str, str]

    def frame(self, relation: str) -> pd.DataFrame:
        """All rows of a relation, e.g. `reporting.rpt_latency`."""
        return read(self.endpoints, f"{ENV}_{relation}")


@pytest.fixture(scope="session")
def analyzer() -> Analyzer:
    return Analyzer()


@pytest.fixture(scope="session")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoints]:
    with running_emulator(tmp_path_factory.mktemp("emulator")) as endpoints:
        create_landing(endpoints, env=ENV)
        yield endpoints


@pytest.fixture(scope="session")
def built(emulator: Endpoints, tmp_path_factory: pytest.TempPathFactory) -> Built:
    """Every model made on empty tables; then tables made again, the facts merged, and all tested on the scenario.

    Views are not made again: they are the same text.
    """
    folder: Path = tmp_path_factory.mktemp("dbt")
    project = DbtProject(folder, emulator.rest, PROJECT)
    project.succeed("run")
    empty_run, models = project.results(), project.models()
    rows: dict[str, list[Row]] = {}
    scenarios = (landing_rows, engine_rows, repeats_rows, calibration_rows, classes_rows, gate_rows, hostile_rows)
    for scenario in scenarios:
        for table, table_rows in scenario(SEED).items():
            rows.setdefault(table, []).extend(table_rows)
    append(emulator, rows, env=ENV)
    project.succeed("run", "--select", "config.materialized:table", "config.materialized:incremental")
    full_build = project.results()
    models |= {name: model for name, model in project.models().items() if name in full_build}
    project.succeed("test")
    return Built(emulator, project, expected.clean(rows), models, empty_run, full_build | project.results())
