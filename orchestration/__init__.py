"""When it runs: Dagster definitions, thin. No business logic, SQL, retries or parsing belong here."""
