"""Fixtures of these tests: a real warehouse, and an endpoint that must not be called."""

from __future__ import annotations

from tests.runs.bench import bench, endpoints, model, name, place

__all__ = ["bench", "endpoints", "model", "name", "place"]
