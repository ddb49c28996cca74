variable "deletion_protection" {
  description = "Whether landing, its tables, the secrets and non-empty datasets are protected from deletion. Set to false and apply before `terraform destroy`."
  type        = bool
  default     = true
  nullable    = false
}

variable "env" {
  description = "Environment, equal to ASSAY_ENV. Prefix of every dataset name."
  type        = string
  nullable    = false

  validation {
    condition     = contains(["dev", "staging", "prod"], var.env)
    error_message = "env is \"${var.env}\": expected dev, staging or prod, the values that ASSAY_ENV takes."
  }
}

variable "impersonators" {
  description = "Principals that may impersonate each service account, in IAM notation. A Kubernetes workload is serviceAccount:PROJECT.svc.id.goog[NAMESPACE/NAME]."
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
    error_message = "impersonators has an entry without a principal type: expected user:, group:, serviceAccount:, principal: or principalSet: and a name."
  }
}

variable "input_datasets" {
  description = "Existing datasets, as PROJECT.DATASET, with tables that the runner may read as input."
  type        = set(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for name in var.input_datasets : can(regex("^[a-z][a-z0-9.:-]*[a-z0-9]\\.[A-Za-z0-9_]+$", name))])
    error_message = "input_datasets has an invalid entry: expected PROJECT.DATASET, for example acme-analytics.support."
  }
}

variable "labels" {
  description = "Labels of all resources that support labels, in addition to app, env and managed_by."
  type        = map(string)
  default     = {}
  nullable    = false

  validation {
    condition     = alltrue([for key, value in var.labels : can(regex("^[a-z][a-z0-9_-]{0,62}$", key)) && can(regex("^[a-z0-9_-]{0,63}$", value))])
    error_message = "labels has an invalid label: expected at most 63 lowercase letters, digits, _ and -; keys start with a letter."
  }
}

variable "location" {
  description = "BigQuery location of every dataset, equal to ASSAY_LOCATION. It cannot be changed later."
  type        = string
  default     = "US"
  nullable    = false

  validation {
    condition     = can(regex("^(US|EU|[a-z]+-[a-z]+[0-9]+)$", var.location))
    error_message = "location is \"${var.location}\": expected US, EU or a region such as europe-west4."
  }
}

variable "prefix" {
  description = "Prefix of service account and secret names, for projects with other workloads."
  type        = string
  default     = "assay"
  nullable    = false

  # At most 12 characters: an account id has at most 30, and "-staging-dashboard" has 18.
  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,11}$", var.prefix)) && !endswith(var.prefix, "-")
    error_message = "prefix is \"${var.prefix}\": expected 2 to 12 lowercase letters, digits or hyphens, starting with a letter and not ending with a hyphen."
  }
}

variable "project" {
  description = "Id of the Google Cloud project with the warehouse, equal to ASSAY_PROJECT."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^([a-z0-9.-]+:)?[a-z][a-z0-9-]{4,28}[a-z0-9]$", var.project)) && var.project != "assay-local"
    error_message = "project is \"${var.project}\": expected a Google Cloud project id; assay-local is the name of the local stack."
  }
}
