"""Access to BigQuery: table schemas, client, landing writer, migrations and shared SQL statements."""
