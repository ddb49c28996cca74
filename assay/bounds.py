"""Bounds of the numbers that a user may state, in task.yml, in options and in settings."""

from __future__ import annotations

LEAST_INTEGER, MOST_INTEGER = -(2**63), 2**63 - 1
"""Range of an integer in BigQuery (INT64), Parquet and JSON libraries."""
INTEGER_DIGITS = 19
MOST_EPOCHS = 100
"""Predictions per record: 100 estimate a record's pass rate to within 10 points."""
MOST_SAMPLED = 1_000_000
"""Items of one labeling sample."""
MOST_TOKENS = 10_000_000
"""Output tokens of one call: more than any model returns."""
MOST_USD = 1_000_000_000
