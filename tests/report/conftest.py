"""The task of these tests is the one that the engine's tests have."""

from __future__ import annotations

from tests.inference.conftest import folder, task

__all__ = ["folder", "task"]
