"""Landing in Terraform's plan is landing in the schema files, field for field."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.terraform.workspace import CHECKOUT, Workspace

Planned = dict[str, dict[str, dict[str, Any]]]
SCHEMA_FILES = sorted((CHECKOUT / "assay/warehouse/schemas").glob("*.json"))
SCHEMAS = {path.stem: json.loads(path.read_text("utf-8")) for path in SCHEMA_FILES}


def table(planned: Planned, name: str) -> dict[str, Any]:
    return planned["google_bigquery_table"][f'google_bigquery_table.landing["{name}"]']


def test_there_is_one_table_per_schema_file(planned: Planned) -> None:
    assert SCHEMAS
    assert sorted(values["table_id"] for values in planned["google_bigquery_table"].values()) == sorted(SCHEMAS)


@pytest.mark.parametrize("name", SCHEMAS)
def test_columns_are_those_of_the_schema_file(planned: Planned, name: str) -> None:
    columns = json.loads(table(planned, name)["schema"])
    told = [(c["name"], c["type"], c["mode"], c["description"]) for c in columns]
    assert told == [(f["name"], f["type"], f["mode"], f["description"]) for f in SCHEMAS[name]["fields"]]
    assert columns == SCHEMAS[name]["fields"]


@pytest.mark.parametrize("name", SCHEMAS)
def test_partition_clustering_and_description_are_those_of_the_schema_file(planned: Planned, name: str) -> None:
    values = table(planned, name)
    [partitioning] = values["time_partitioning"]
    assert (partitioning["type"], partitioning["field"]) == ("DAY", SCHEMAS[name]["partition"])
    assert values["clustering"] == SCHEMAS[name]["cluster"]
    assert values["description"] == SCHEMAS[name]["description"]


@pytest.mark.parametrize("name", SCHEMAS)
def test_a_table_lives_in_landing_protected_and_without_expiry(planned: Planned, name: str) -> None:
    values = table(planned, name)
    assert (values["dataset_id"], values["deletion_protection"]) == ("dev_landing", True)
    assert values["time_partitioning"][0].get("expiration_ms") is None


def test_no_dataset_lets_rows_expire_and_landing_cannot_be_deleted(planned: Planned) -> None:
    datasets = {values["dataset_id"]: values for values in planned["google_bigquery_dataset"].values()}
    assert sorted(datasets) == ["dev_intermediate", "dev_landing", "dev_marts", "dev_reporting", "dev_staging"]
    for values in datasets.values():
        assert (values["default_table_expiration_ms"], values["default_partition_expiration_ms"]) == (None, None)
    assert datasets["dev_landing"]["deletion_policy"] == "PREVENT"
    assert not datasets["dev_landing"]["delete_contents_on_destroy"]


def test_every_dataset_says_what_it_holds_where_and_whose_it_is(planned: Planned) -> None:
    for address, values in planned["google_bigquery_dataset"].items():
        assert values["description"], address
        assert values["location"] == "US"
        assert values["effective_labels"] == {
            "app": "assay", "env": "dev", "layer": values["dataset_id"].removeprefix("dev_"), "managed_by": "terraform",
        }  # fmt: skip


def test_a_new_schema_file_becomes_a_table(workspace: Workspace) -> None:
    schema = {**SCHEMAS["runs"], "table": "walks"}
    (workspace.root / "assay/warehouse/schemas/walks.json").write_text(json.dumps(schema), encoding="utf-8")
    changes = workspace.plan({"env": "dev", "project": "acme-assay"})["resource_changes"]
    assert 'google_bigquery_table.landing["walks"]' in {change["address"] for change in changes}
