"""Assay: LLM batch jobs from your warehouse, judged with error bars. This package is the engine; it never imports Dagster."""
