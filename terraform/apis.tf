locals {
  required_apis = {
    "bigquery.googleapis.com"             = "datasets, tables, queries"
    "bigquerystorage.googleapis.com"      = "the Storage Write API, which appends to landing"
    "cloudresourcemanager.googleapis.com" = "the project-level role in accounts.tf"
    "iam.googleapis.com"                  = "service accounts"
    "iamcredentials.googleapis.com"       = "impersonation of a service account without a key"
    "secretmanager.googleapis.com"        = "keys of model providers and the hash key"
  }
}

resource "google_project_service" "required" {
  for_each = local.required_apis

  service = each.key
  # Other workloads in the project may use the same API, so `terraform destroy` does not disable it.
  disable_on_destroy = false
}
