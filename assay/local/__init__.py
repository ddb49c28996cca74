"""The local stack: warehouse, model server and Dagster on this machine."""
