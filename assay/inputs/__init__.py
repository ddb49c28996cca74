"""Input of a run: the rows of a file, table or query become an immutable local snapshot; invalid rows are rejected."""
