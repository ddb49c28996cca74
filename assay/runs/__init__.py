"""Stages 1 and 2 of a run: admit records, and turn requests into predictions."""
