"""Where results live: the schema files, the client, the landing writer, migrations and the statements we run.

Everything that speaks to BigQuery belongs here. What the rows mean belongs to the rooms that make them.
"""
