"""Dagster definitions, without business logic, SQL, retries or parsing."""
