"""Forecast of a run's requests and cost, shown by `assay run --dry-run`."""
