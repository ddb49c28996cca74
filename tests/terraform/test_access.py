"""Who may do what: nobody more than their work needs."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from tests.terraform.workspace import CHECKOUT

Planned = dict[str, dict[str, dict[str, Any]]]
EDITOR, VIEWER = "roles/bigquery.dataEditor", "roles/bigquery.dataViewer"
_BASIC_NAMES = {"WRITER": EDITOR, "READER": VIEWER}


def email(workload: str) -> str:
    return f"assay-dev-{workload}@acme-assay.iam.gserviceaccount.com"


def dataset_grants(planned: Planned) -> set[tuple[str, str, str]]:
    """Dataset, role and service account of every grant on a dataset, whichever resource makes it."""
    members = planned["google_bigquery_dataset_iam_member"].values()
    entries = [values for values in planned["google_bigquery_dataset_access"].values() if values["role"]]
    return {(v["dataset_id"], v["role"], v["member"].removeprefix("serviceAccount:")) for v in members} | {
        (v["dataset_id"], _BASIC_NAMES[v["role"]], v["user_by_email"]) for v in entries
    }


def test_there_is_one_service_account_per_workload(planned: Planned) -> None:
    accounts = {values["email"] for values in planned["google_service_account"].values()}
    assert accounts == {email("dashboard"), email("dbt"), email("runner")}


def test_the_only_project_wide_role_is_the_right_to_start_queries(planned: Planned) -> None:
    granted = {(values["role"], values["member"]) for values in planned["google_project_iam_member"].values()}
    assert granted == {
        ("roles/bigquery.jobUser", f"serviceAccount:{email(name)}") for name in ("dashboard", "dbt", "runner")
    }
    wider = [
        kind
        for kind in planned
        if kind.startswith(("google_project_iam", "google_organization_iam", "google_folder_iam"))
    ]
    assert wider == ["google_project_iam_member"]


def test_the_runner_writes_landing_and_reads_the_named_inputs(planned: Planned) -> None:
    grants = {grant[:2] for grant in dataset_grants(planned) if grant[2] == email("runner")}
    assert grants == {("dev_landing", EDITOR), ("support", VIEWER)}


def test_dbt_reads_landing_and_writes_what_it_builds(planned: Planned) -> None:
    grants = {grant[:2] for grant in dataset_grants(planned) if grant[2] == email("dbt")}
    built = {(f"dev_{layer}", EDITOR) for layer in ("staging", "intermediate", "marts", "reporting")}
    assert grants == built | {("dev_landing", VIEWER)}


def test_the_dashboard_reads_reporting_and_nothing_else(planned: Planned) -> None:
    grants = {grant[:2] for grant in dataset_grants(planned) if grant[2] == email("dashboard")}
    assert grants == {("dev_reporting", VIEWER)}


def test_nobody_but_the_three_accounts_is_granted_a_dataset(planned: Planned) -> None:
    assert {grant[2] for grant in dataset_grants(planned)} == {email("dashboard"), email("dbt"), email("runner")}


def test_views_of_reporting_may_read_marts_for_their_reader(planned: Planned) -> None:
    authorized = [values for values in planned["google_bigquery_dataset_access"].values() if not values["role"]]
    assert [values["dataset_id"] for values in authorized] == ["dev_marts"]
    [grant] = authorized[0]["dataset"]
    assert grant["target_types"] == ["VIEWS"]
    assert grant["dataset"] == [{"project_id": "acme-assay", "dataset_id": "dev_reporting"}]


def test_no_dataset_is_granted_in_both_forms_that_overwrite_each_other(planned: Planned) -> None:
    members = {values["dataset_id"] for values in planned["google_bigquery_dataset_iam_member"].values()}
    entries = {values["dataset_id"] for values in planned["google_bigquery_dataset_access"].values()}
    assert not members & entries


@pytest.mark.parametrize("kind", ["google_service_account_key", "google_secret_manager_secret_version"])
def test_nothing_secret_reaches_the_state(planned: Planned, kind: str) -> None:
    assert kind not in planned


def test_every_provider_key_and_the_hash_key_have_a_secret(plan: dict[str, Any]) -> None:
    providers = yaml.safe_load((CHECKOUT / "providers.yml").read_text("utf-8"))
    keys = {provider["api_key_env"] for provider in providers.values() if provider["api_key_env"]}
    secrets = plan["planned_values"]["outputs"]["secrets"]["value"]
    assert keys
    assert secrets == {"ASSAY_HASH_KEY": "assay-dev-hash-key"} | {
        key: f"assay-dev-{key.lower().replace('_', '-')}" for key in keys
    }


def test_only_the_runner_reads_secrets(planned: Planned) -> None:
    grants = planned["google_secret_manager_secret_iam_member"]
    assert len(grants) == len(planned["google_secret_manager_secret"])
    assert {(v["role"], v["member"]) for v in grants.values()} == {
        ("roles/secretmanager.secretAccessor", f"serviceAccount:{email('runner')}")
    }


def test_a_kubernetes_workload_becomes_the_account_and_a_person_asks_for_its_tokens(planned: Planned) -> None:
    grants = {(v["member"], v["role"]) for v in planned["google_service_account_iam_member"].values()}
    assert grants == {
        ("serviceAccount:acme-assay.svc.id.goog[assay/runner]", "roles/iam.workloadIdentityUser"),
        ("user:ada@example.com", "roles/iam.serviceAccountTokenCreator"),
    }
