"""Fixtures of these tests: runs inside this process, against a real warehouse and a real endpoint."""

from __future__ import annotations

from tests.inference.conftest import folder, task
from tests.runs.bench import bench, endpoints, model, name, place

__all__ = ["bench", "endpoints", "folder", "model", "name", "place", "task"]
