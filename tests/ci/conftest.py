"""Fixtures of the folder."""

from tests.end_to_end.stage import endpoints, model, name, place

__all__ = ["endpoints", "model", "name", "place"]
