# Runs against the provider's schema only: no account, no credentials, no resources.
mock_provider "google" {
  mock_resource "google_service_account" {
    defaults = {
      email  = "account@acme-assay.iam.gserviceaccount.com"
      member = "serviceAccount:account@acme-assay.iam.gserviceaccount.com"
      name   = "projects/acme-assay/serviceAccounts/account@acme-assay.iam.gserviceaccount.com"
    }
  }
}

variables {
  env     = "dev"
  project = "acme-assay"
}

run "names_carry_the_environment" {
  command = apply

  variables {
    env    = "staging"
    prefix = "evals"
  }

  assert {
    condition     = output.datasets["landing"] == "staging_landing" && length(output.datasets) == 5
    error_message = "Expected the five layers, each named ENV_LAYER."
  }

  assert {
    condition     = output.landing_tables["runs"] == "acme-assay.staging_landing.runs"
    error_message = "Expected landing tables in the landing dataset of the environment."
  }

  assert {
    condition     = google_service_account.workload["runner"].account_id == "evals-staging-runner"
    error_message = "Expected service accounts named PREFIX-ENV-WORKLOAD."
  }

  assert {
    condition     = output.secrets["ASSAY_HASH_KEY"] == "evals-staging-hash-key"
    error_message = "Expected secrets named PREFIX-ENV-NAME."
  }
}

run "the_longest_names_still_fit" {
  command = plan

  variables {
    env    = "staging"
    prefix = "twelve-chars"
  }

  assert {
    condition     = alltrue([for account in google_service_account.workload : length(account.account_id) <= 30])
    error_message = "Expected account ids of at most 30 characters, Google's limit."
  }
}

run "landing_is_kept" {
  command = plan

  assert {
    condition     = alltrue([for table in google_bigquery_table.landing : table.deletion_protection])
    error_message = "Expected every landing table to be protected from deletion."
  }

  assert {
    condition     = google_bigquery_dataset.layer["landing"].deletion_policy == "PREVENT"
    error_message = "Expected the landing dataset to be protected from deletion."
  }
}

run "an_unknown_environment_is_refused" {
  command = plan

  variables {
    env = "test"
  }

  expect_failures = [var.env]
}

run "the_local_stack_is_no_project" {
  command = plan

  variables {
    project = "assay-local"
  }

  expect_failures = [var.project]
}
