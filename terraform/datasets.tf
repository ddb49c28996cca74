locals {
  layers = {
    landing = {
      description = "What Assay writes, append-only: one table per schema file. Nothing is ever deleted here by age."
      editors     = ["runner"]
      viewers     = ["dbt"]
    }
    staging = {
      description = "Landing tables renamed, cast and without duplicates, one view each."
      editors     = ["dbt"]
      viewers     = []
    }
    intermediate = {
      description = "Steps between staging and marts, for no reader outside dbt."
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

  # No default expiration is set anywhere: rows of landing were paid for, the rest is rebuilt by dbt.
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

# The provider's documentation forbids *_iam_member and *_access on the same dataset, and only the
# latter can authorize views: so marts takes all its grants in this form, with its names of the roles.
resource "google_bigquery_dataset_access" "marts" {
  for_each = { for key, grant in local.dataset_grants : key => grant if grant.layer == "marts" }

  dataset_id    = google_bigquery_dataset.layer["marts"].dataset_id
  role          = { "roles/bigquery.dataEditor" = "WRITER", "roles/bigquery.dataViewer" = "READER" }[each.value.role]
  user_by_email = google_service_account.workload[each.value.workload].email
}

# Lets the views of reporting read marts for a reader who may not: the dashboard needs no grant on marts.
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
