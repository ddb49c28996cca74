locals {
  workloads = {
    dashboard = "Reads the reporting views for Looker Studio."
    dbt       = "Builds staging, intermediate, marts and reporting from landing."
    runner    = "Runs tasks and evaluations: reads inputs, calls models, writes landing."
  }

  impersonations = merge([
    for workload, principals in var.impersonators : {
      for principal in principals : "${workload} ${principal}" => { workload = workload, principal = principal }
    }
  ]...)
}

resource "google_service_account" "workload" {
  for_each = local.workloads

  account_id   = "${var.prefix}-${var.env}-${each.key}"
  display_name = "Assay ${each.key} (${var.env})"
  description  = each.value

  depends_on = [google_project_service.required]
}

resource "google_service_account_iam_member" "impersonator" {
  for_each = local.impersonations

  service_account_id = google_service_account.workload[each.value.workload].name
  member             = each.value.principal
  # A Kubernetes workload impersonates the account directly; a person or another account requests its tokens.
  role = (
    strcontains(each.value.principal, ".svc.id.goog[") || startswith(each.value.principal, "principal")
    ? "roles/iam.workloadIdentityUser"
    : "roles/iam.serviceAccountTokenCreator"
  )
}

# The only project-level role: BigQuery has no narrower scope for the right to start a query.
# It gives no access to data.
resource "google_project_iam_member" "job_user" {
  for_each = google_service_account.workload

  project = var.project
  role    = "roles/bigquery.jobUser"
  member  = each.value.member
}
