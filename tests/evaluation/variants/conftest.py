"""Fixtures of these tests: runs inside this process, against a real warehouse and a real endpoint."""

from __future__ import annotations

from tests.evaluation.conftest import bench, endpoints, folder, model, name, place, task

__all__ = ["bench", "endpoints", "folder", "model", "name", "place", "task"]
