"""Faults of the machine that tests cause: a disk that refuses writes."""
