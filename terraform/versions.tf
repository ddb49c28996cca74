terraform {
  required_version = ">= 1.9"

  # Bucket and prefix are passed to `terraform init`, so that each environment has its own state.
  backend "gcs" {}

  required_providers {
    google = {
      source = "hashicorp/google"
      # tests/terraform/google.schema.json is generated from 8.7.0; a higher minimum version needs a new file.
      version = ">= 8.7, < 9.0"
    }
  }
}
