terraform {
  required_version = ">= 1.9"

  # Bucket and prefix are given at `terraform init`, so that each environment keeps a state of its own.
  backend "gcs" {}

  required_providers {
    google = {
      source = "hashicorp/google"
      # tests/terraform/google.schema.json is made from 8.7.0; a higher floor needs a new one.
      version = ">= 8.7, < 9.0"
    }
  }
}
