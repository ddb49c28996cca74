"""Checks of a task folder; each problem found is reported with file and line."""
