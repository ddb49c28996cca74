"""Dagster resources, which contain configuration and create engine objects."""

from __future__ import annotations

import sys
from pathlib import Path

import dagster as dg
from dagster_dbt import DbtCliResource

from assay.project import Project, open_project
from assay.settings import Settings, load_settings
from assay.warehouse.marts import DBT_PROJECT


class AssayResource(dg.ConfigurableResource[None]):
    """The Assay project in the folder `root`; its settings are read when a step runs."""

    root: str

    def project(self) -> Project:
        """Returns the project, which connects to services on first use."""
        return open_project(load_settings(cwd=Path(self.root)))


def dbt_resource(settings: Settings) -> DbtCliResource:
    """Returns the dbt resource for the project's models, using the dbt of Dagster's own Python environment."""
    folder = settings.root / DBT_PROJECT
    dbt = Path(sys.executable).with_name("dbt")
    return DbtCliResource(project_dir=str(folder), profiles_dir=str(folder), dbt_executable=str(dbt))
