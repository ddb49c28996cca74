"""The relations that the engine's statements read: landing tables from their schema files, models from their contracts."""

from __future__ import annotations

import yaml

from assay.warehouse.dbt_sources import data_type
from assay.warehouse.schema import landing_tables
from assay.warehouse.statement import LANDING, MARTS, REPORTING
from tests.oracles.googlesql import Field
from tests.paths import ROOT

MODELS = ROOT / "dbt_project" / "models"
Relations = dict[str, list[Field]]
"""Relation name to its columns."""


def relations() -> dict[str, Relations]:
    """The relations of each dataset that a statement may belong to."""
    return {LANDING: _landing(), REPORTING: _contracts("reporting"), MARTS: _contracts("marts")}


def _landing() -> Relations:
    return {
        schema.name: [Field(column.name, data_type(column).upper()) for column in schema.columns]
        for schema in landing_tables().values()
    }


def _contracts(folder: str) -> Relations:
    files = [yaml.safe_load(path.read_text(encoding="utf-8")) for path in (MODELS / folder).rglob("*.yml")]
    return {
        model["name"]: [Field(column["name"], column["data_type"].split("(")[0].upper()) for column in model["columns"]]
        for file in files
        for model in file["models"]
    }
