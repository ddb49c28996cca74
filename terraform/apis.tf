locals {
  required_apis = {
    "bigquery.googleapis.com"             = "datasets, tables, queries"
    "bigquerystorage.googleapis.com"      = "the Storage Write API, through which landing is filled"
    "cloudresourcemanager.googleapis.com" = "the one project-level role, in accounts.tf"
    "iam.googleapis.com"                  = "service accounts"
    "iamcredentials.googleapis.com"       = "acting as a service account without a key"
    "secretmanager.googleapis.com"        = "keys of model providers and the hash key"
  }
}

resource "google_project_service" "required" {
  for_each = local.required_apis

  service = each.key
  # Other things in the project may use the same API: a teardown of Assay leaves it on.
  disable_on_destroy = false
}
