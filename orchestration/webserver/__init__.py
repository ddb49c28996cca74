"""Dagster's web server of the local stack."""
