"""Dagster definitions that call the engine; they contain no business logic, SQL, retries or parsing."""
