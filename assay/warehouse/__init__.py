"""Access to BigQuery: schema files, client, landing writer, migrations and shared statements."""
