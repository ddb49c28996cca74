output "assay_environment" {
  description = "Variables that Assay needs to use this warehouse; the secret ones are listed in `secrets`."
  value = {
    ASSAY_ENV      = var.env
    ASSAY_LOCATION = var.location
    ASSAY_PROJECT  = var.project
  }
}

output "datasets" {
  description = "Layer to dataset id."
  value       = { for layer, dataset in google_bigquery_dataset.layer : layer => dataset.dataset_id }
}

output "landing_tables" {
  description = "Landing table to its full name, PROJECT.DATASET.TABLE."
  value       = { for name, table in google_bigquery_table.landing : name => join(".", [var.project, table.dataset_id, table.table_id]) }
}

output "secrets" {
  description = "Environment variable to the id of the secret that holds its value."
  value       = { for variable, secret in google_secret_manager_secret.runner : variable => secret.secret_id }
}

output "service_accounts" {
  description = "Workload to the email of its service account."
  value       = { for workload, account in google_service_account.workload : workload => account.email }
}
