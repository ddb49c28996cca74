variable "deletion_protection" {
  description = "Whether Terraform refuses to delete landing, its tables and the secrets, and datasets that are not empty. Set to false and apply before a teardown."
  type        = bool
  default     = true
  nullable    = false
}

variable "env" {
  description = "Environment, the same word as ASSAY_ENV: it prefixes every dataset."
  type        = string
  nullable    = false

  validation {
    condition     = contains(["dev", "staging", "prod"], var.env)
    error_message = "env is \"${var.env}\": expected dev, staging or prod, the values that ASSAY_ENV takes."
  }
}

variable "impersonators" {
  description = "Principals that may act as each service account, in IAM form. A Kubernetes workload is serviceAccount:PROJECT.svc.id.goog[NAMESPACE/NAME]."
  type = object({
    dashboard = optional(set(string), [])
    dbt       = optional(set(string), [])
    runner    = optional(set(string), [])
  })
  default  = {}
  nullable = false

  validation {
    condition = alltrue([
      for principal in flatten([for principals in values(var.impersonators) : tolist(principals)]) :
      can(regex("^(user|group|serviceAccount|principal|principalSet):.+$", principal))
    ])
    error_message = "impersonators holds an entry without a principal type: expected user:, group:, serviceAccount:, principal: or principalSet: and a name."
  }
}

variable "input_datasets" {
  description = "Existing datasets, as PROJECT.DATASET, whose tables the runner may read as input."
  type        = set(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for name in var.input_datasets : can(regex("^[a-z][a-z0-9.:-]*[a-z0-9]\\.[A-Za-z0-9_]+$", name))])
    error_message = "input_datasets holds an entry of another form: expected PROJECT.DATASET, e.g. acme-analytics.support."
  }
}

variable "labels" {
  description = "Labels added to everything that takes labels, beside app, env and managed_by."
  type        = map(string)
  default     = {}
  nullable    = false

  validation {
    condition     = alltrue([for key, value in var.labels : can(regex("^[a-z][a-z0-9_-]{0,62}$", key)) && can(regex("^[a-z0-9_-]{0,63}$", value))])
    error_message = "labels holds a label that Google refuses: expected lowercase letters, digits, _ and -, at most 63, keys starting with a letter."
  }
}

variable "location" {
  description = "BigQuery location of every dataset, the same word as ASSAY_LOCATION; it cannot be changed later."
  type        = string
  default     = "US"
  nullable    = false

  validation {
    condition     = can(regex("^(US|EU|[a-z]+-[a-z]+[0-9]+)$", var.location))
    error_message = "location is \"${var.location}\": expected US, EU or a region such as europe-west4."
  }
}

variable "prefix" {
  description = "First part of service account and secret names, for projects that hold more than Assay."
  type        = string
  default     = "assay"
  nullable    = false

  # 12 letters: an account id is at most 30 characters, and "-staging-dashboard" takes 18.
  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,11}$", var.prefix)) && !endswith(var.prefix, "-")
    error_message = "prefix is \"${var.prefix}\": expected 2 to 12 lowercase letters, digits or hyphens, a letter first and no hyphen last."
  }
}

variable "project" {
  description = "Id of the Google Cloud project that holds the warehouse, the same as ASSAY_PROJECT."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^([a-z0-9.-]+:)?[a-z][a-z0-9-]{4,28}[a-z0-9]$", var.project)) && var.project != "assay-local"
    error_message = "project is \"${var.project}\": expected a Google Cloud project id; assay-local is the name of the local stack."
  }
}
