"""Validates the blocks of a task folder that refer to one another: gate, judges, routes."""
