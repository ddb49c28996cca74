"""Formulas on arrays: intervals, tests, power, agreement. Imports nothing of `assay` but errors."""
