output "assay_environment" {
  description = "Environment variables for this warehouse; secret values are listed in `secrets`."
  value = {
    ASSAY_ENV      = var.env
    ASSAY_LOCATION = var.location
    ASSAY_PROJECT  = var.project
  }
}

output "datasets" {
  description = "Map of layer to dataset id."
  value       = { for layer, dataset in google_bigquery_dataset.layer : layer => dataset.dataset_id }
}

output "landing_tables" {
  description = "Map of landing table to its full name, PROJECT.DATASET.TABLE."
  value       = { for name, table in google_bigquery_table.landing : name => join(".", [var.project, table.dataset_id, table.table_id]) }
}

output "secrets" {
  description = "Map of environment variable to the id of the secret with its value."
  value       = { for variable, secret in google_secret_manager_secret.runner : variable => secret.secret_id }
}

output "service_accounts" {
  description = "Map of workload to the email address of its service account."
  value       = { for workload, account in google_service_account.workload : workload => account.email }
}
