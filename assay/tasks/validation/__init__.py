"""Validates a task folder; each issue is reported with file and line."""
