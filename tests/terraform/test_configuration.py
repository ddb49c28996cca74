"""Terraform itself reads, plans, applies and tests the configuration."""

from __future__ import annotations

import re
from typing import Any

from packaging.specifiers import SpecifierSet

from tests.terraform.extract_schema import RESOURCES
from tests.terraform.workspace import CHECKOUT, VARIABLES, Workspace


def test_every_file_is_formatted(workspace: Workspace) -> None:
    workspace.run("fmt", "-check", "-diff", "-recursive")


def test_the_configuration_is_valid(workspace: Workspace) -> None:
    assert "The configuration is valid" in workspace.run("validate", "-no-color")


def test_a_second_plan_after_apply_changes_nothing_and_destroy_leaves_nothing(workspace: Workspace) -> None:
    workspace.plan(VARIABLES)
    workspace.run("apply", "-input=false", "-no-color", "plan")
    assert "No changes." in workspace.run("plan", "-input=false", "-no-color", "-detailed-exitcode")
    workspace.run("destroy", "-auto-approve", "-input=false", "-no-color")
    assert workspace.run("state", "list") == ""


def test_the_configurations_own_tests_pass(workspace: Workspace) -> None:
    output = workspace.run("test", "-no-color")
    assert re.search(r"Success! [1-9]\d* passed, 0 failed\.", output), output


def test_without_protection_everything_may_be_torn_down(workspace: Workspace) -> None:
    resources = workspace.plan({**VARIABLES, "deletion_protection": False})["planned_values"]["root_module"][
        "resources"
    ]
    protected = [
        r["address"]
        for r in resources
        if r["values"].get("deletion_protection") or r["values"].get("deletion_policy") == "PREVENT"
    ]
    assert not protected
    assert all(r["values"]["delete_contents_on_destroy"] for r in resources if r["type"] == "google_bigquery_dataset")


def test_the_schema_is_of_a_provider_version_that_the_configuration_allows(schema_document: dict[str, Any]) -> None:
    text = (CHECKOUT / "terraform/versions.tf").read_text("utf-8")
    [constraint] = re.findall(r'^\s+version\s*= "(.*)"', text, re.M)
    assert schema_document["x_provider_version"] in SpecifierSet(constraint)


def test_the_schema_holds_the_resources_in_use_and_no_other() -> None:
    texts = (path.read_text("utf-8") for path in (CHECKOUT / "terraform").glob("*.tf"))
    used = {name for text in texts for name in re.findall(r'^resource "(\w+)"', text, re.M)}
    assert used == set(RESOURCES)


def test_the_outputs_name_the_variables_that_assay_reads(plan: dict[str, Any]) -> None:
    value = plan["planned_values"]["outputs"]["assay_environment"]["value"]
    assert value == {"ASSAY_ENV": "dev", "ASSAY_LOCATION": "US", "ASSAY_PROJECT": "acme-assay"}
