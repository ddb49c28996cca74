"""Validators of single values of task.yml: cron expressions, patterns, request parameters."""
