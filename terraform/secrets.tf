locals {
  providers = yamldecode(file("${path.module}/../providers.yml"))

  # Environment variable to the suffix of the secret's name. Each provider in providers.yml adds its own.
  runner_secrets = merge(
    { ASSAY_HASH_KEY = "hash-key" },
    { for variable in toset(compact([for provider in local.providers : try(provider.api_key_env, null)])) : variable => lower(replace(variable, "_", "-")) },
  )
}

# Only the secret, without a version: a version would put the value into the state file.
resource "google_secret_manager_secret" "runner" {
  for_each = local.runner_secrets

  secret_id           = "${var.prefix}-${var.env}-${each.value}"
  deletion_protection = var.deletion_protection

  replication {
    auto {}
  }

  depends_on = [google_project_service.required]
}

resource "google_secret_manager_secret_iam_member" "runner" {
  for_each = google_secret_manager_secret.runner

  secret_id = each.value.id
  role      = "roles/secretmanager.secretAccessor"
  member    = google_service_account.workload["runner"].member
}
