"""Fixtures of these tests: a task folder on disk, and runs inside this process."""

from __future__ import annotations

from tests.inference.conftest import folder, task
from tests.runs.bench import bench, endpoints, model, name, place

__all__ = ["bench", "endpoints", "folder", "model", "name", "place", "task"]
