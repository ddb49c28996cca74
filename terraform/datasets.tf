locals {
  layers = {
    landing = {
      description = "Append-only tables that Assay writes, one per schema file. Rows never expire."
      editors     = ["runner"]
      viewers     = ["dbt"]
    }
    staging = {
      description = "Landing tables renamed, cast and deduplicated, one view each."
      editors     = ["dbt"]
      viewers     = []
    }
    intermediate = {
      description = "Steps between staging and marts, internal to dbt."
      editors     = ["dbt"]
      viewers     = []
    }
    marts = {
      description = "Reliability, cost, latency and governance facts and dimensions."
      editors     = ["dbt"]
      viewers     = []
    }
    reporting = {
      description = "Views over marts, one per question, that dashboards read."
      editors     = ["dbt"]
      viewers     = ["dashboard"]
    }
  }

  dataset_grants = merge([
    for layer, spec in local.layers : merge(
      { for workload in spec.editors : "${layer} ${workload}" => { layer = layer, workload = workload, role = "roles/bigquery.dataEditor" } },
      { for workload in spec.viewers : "${layer} ${workload}" => { layer = layer, workload = workload, role = "roles/bigquery.dataViewer" } },
    )
  ]...)
}

resource "google_bigquery_dataset" "layer" {
  for_each = local.layers

  dataset_id  = "${var.env}_${each.key}"
  description = each.value.description
  labels      = { layer = each.key }
  location    = var.location

  # No dataset has a default expiration: landing rows were paid for, and dbt rebuilds the rest.
  delete_contents_on_destroy = !var.deletion_protection
  deletion_policy            = var.deletion_protection && each.key == "landing" ? "PREVENT" : "DELETE"

  depends_on = [google_project_service.required]
}

resource "google_bigquery_dataset_iam_member" "layer" {
  for_each = { for key, grant in local.dataset_grants : key => grant if grant.layer != "marts" }

  dataset_id = google_bigquery_dataset.layer[each.value.layer].dataset_id
  role       = each.value.role
  member     = google_service_account.workload[each.value.workload].member
}

# The provider's documentation forbids *_iam_member and *_access on the same dataset, and only the latter can
# authorize views. All grants on marts therefore use *_access, with its role names.
resource "google_bigquery_dataset_access" "marts" {
  for_each = { for key, grant in local.dataset_grants : key => grant if grant.layer == "marts" }

  dataset_id    = google_bigquery_dataset.layer["marts"].dataset_id
  role          = { "roles/bigquery.dataEditor" = "WRITER", "roles/bigquery.dataViewer" = "READER" }[each.value.role]
  user_by_email = google_service_account.workload[each.value.workload].email
}

# Authorizes the views of reporting to read marts, so that the dashboard account needs no grant on marts.
resource "google_bigquery_dataset_access" "reporting_views" {
  dataset_id = google_bigquery_dataset.layer["marts"].dataset_id

  dataset {
    target_types = ["VIEWS"]

    dataset {
      project_id = var.project
      dataset_id = google_bigquery_dataset.layer["reporting"].dataset_id
    }
  }
}

resource "google_bigquery_dataset_iam_member" "input" {
  for_each = { for name in var.input_datasets : name => regex("^(?P<project>.+)\\.(?P<dataset>[^.]+)$", name) }

  project    = each.value.project
  dataset_id = each.value.dataset
  role       = "roles/bigquery.dataViewer"
  member     = google_service_account.workload["runner"].member
}
