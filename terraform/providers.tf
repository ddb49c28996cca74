provider "google" {
  project = var.project

  default_labels = merge(var.labels, {
    app        = "assay"
    env        = var.env
    managed_by = "terraform"
  })
}
