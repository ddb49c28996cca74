"""The checks are worth something: mistakes made on purpose are seen."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.terraform.workspace import Workspace

VALID = {"env": "dev", "project": "acme-assay"}


def refusal(workspace: Workspace, variables: dict[str, Any] = VALID) -> str:
    """What `terraform plan` complains of, on one line; fails if it does not complain."""
    (workspace.folder / "test.auto.tfvars.json").write_text(json.dumps(variables), encoding="utf-8")
    output = workspace.run("plan", "-input=false", "-no-color", accept=(1,))
    return " ".join(output.replace("│", " ").split())


MISTAKES = {
    "argument name": ("clustering  ", "clusterings ", 'An argument named "clusterings" is not expected here'),
    "block name": ("time_partitioning {", "time_partition {", 'Blocks of type "time_partition" are not expected'),
    "type": ("= !var.deletion_protection", '= "never"', "a bool is required"),
    "argument missing": ("  secret_id = each.value.id\n", "", 'The argument "secret_id" is required'),
    "argument of a block missing": ('    type  = "DAY"\n', "", 'The argument "type" is required'),
    "value the provider decides": ("display_name =", 'email = "a@b.c"\n  display_name =', '"email" cannot be set'),
    "name": ("${var.env}_${each.key}", "${var.env}-${each.key}", "dataset_id 'dev-landing' must match"),
    "enum": ('"DAY"', '"DAILY"', "expected type to be one of ['DAY', 'HOUR', 'MONTH', 'YEAR'], got 'DAILY'"),
    "deletion policy": ('"PREVENT"', '"KEEP"', "deletion_policy 'KEEP' is none of ABANDON, DELETE, PREVENT"),
    "choice of blocks": ("    auto {}\n", "", "exactly one of auto, user_managed must be set, found 0"),
    "IAM member": ("= each.value.member", '= "ada@example.com"', "'ada@example.com' is not an IAM principal"),
    "IAM role": ('"roles/bigquery.jobUser"', '"bigquery.jobUser"', "'bigquery.jobUser' is not an IAM role"),
    "IAM role that comes back renamed": ('"WRITER"', '"roles/bigquery.dataEditor"', "a difference in every plan"),
    "clustering": ("= each.value.cluster", '= ["colour"]', "clustering column 'colour' is not in schema"),
    "partition": ("= each.value.partition", '= "row_hash"', "partition column 'row_hash' is not in schema with a date"),
    "schema": ("jsonencode(each.value.fields)", '"[{]"', "schema is not JSON"),
}


@pytest.mark.parametrize(("right", "wrong", "complaint"), MISTAKES.values(), ids=list(MISTAKES))
def test_a_mistake_in_the_configuration_is_seen(workspace: Workspace, right: str, wrong: str, complaint: str) -> None:
    workspace.replace(right, wrong)
    assert complaint in refusal(workspace)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        pytest.param({"type": "TEXT"}, "column 'data_date' has unknown type 'TEXT'", id="type"),
        pytest.param({"mode": "OPTIONAL"}, "column 'data_date' has unknown mode 'OPTIONAL'", id="mode"),
        pytest.param({"name": "run_id"}, "duplicate column 'run_id'", id="name"),
        pytest.param({"note": "x"}, "has keys that BigQuery does not know: note", id="key"),
    ],
)
def test_a_mistake_in_a_schema_file_is_seen(workspace: Workspace, change: dict[str, str], complaint: str) -> None:
    path = workspace.root / "assay/warehouse/schemas/runs.json"
    schema = json.loads(path.read_text("utf-8"))
    schema["fields"][0].update(change)
    path.write_text(json.dumps(schema), encoding="utf-8")
    assert complaint in refusal(workspace)


REFUSED = {
    "deletion_protection": ("maybe", "a bool is required"),
    "env": ("test", 'env is "test": expected dev, staging or prod'),
    "impersonators": ({"dbt": ["ada@example.com"]}, "impersonators has an entry without a principal type"),
    "input_datasets": (["support"], "expected PROJECT.DATASET"),
    "labels": ({"Team": "data"}, "labels has an invalid label"),
    "location": ("Europe", 'location is "Europe": expected US, EU or a region'),
    "prefix": ("Assay-", 'prefix is "Assay-": expected 2 to 12 lowercase letters'),
    "project": ("assay-local", "assay-local is the name of the local stack"),
}


@pytest.mark.parametrize(
    ("variable", "value", "complaint"), [(name, *case) for name, case in REFUSED.items()], ids=list(REFUSED)
)
def test_a_variable_that_cannot_be_right_is_refused(
    workspace: Workspace, variable: str, value: object, complaint: str
) -> None:
    assert complaint in refusal(workspace, {**VALID, variable: value})
