"""Bounds of the numbers that a user may state, in task.yml, options and settings, and of JSON from outside."""

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
MOST_JSON_VALUES = 2_000_000
"""Values of one JSON text: each takes up to 72 bytes of memory, whatever its length in the text."""
SMALL_JSON_BYTES = 1_000_000
"""A JSON text up to this size cannot have too many values for memory."""


def has_too_many_values(text: bytes) -> bool:
    """True if the JSON text may contain more values than may be in memory; each but the first follows `,`, `[` or `{`."""
    return len(text) > SMALL_JSON_BYTES and sum(map(text.count, (b",", b"[", b"{"))) > MOST_JSON_VALUES
