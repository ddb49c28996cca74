locals {
  schema_dir = "${path.module}/../assay/warehouse/schemas"

  landing_schemas = [for file in fileset(local.schema_dir, "*.json") : jsondecode(file("${local.schema_dir}/${file}"))]
  landing_tables  = { for schema in local.landing_schemas : schema.table => schema }
}

resource "google_bigquery_table" "landing" {
  for_each = local.landing_tables

  dataset_id          = google_bigquery_dataset.layer["landing"].dataset_id
  table_id            = each.key
  description         = each.value.description
  clustering          = each.value.cluster
  deletion_protection = var.deletion_protection
  schema              = jsonencode(each.value.fields)

  time_partitioning {
    type  = "DAY"
    field = each.value.partition
  }
}
