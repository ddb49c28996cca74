"""Stages 1 and 2 of a run: records are admitted, requests become predictions."""
