"""Scorecards made of plain values, by the keys of their JSON."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from assay.report.block import Scorecard
from assay.report.blocks import BLOCKS

VERSION: dict[str, Any] = {
    "task_version_id": "v1",
    "git_sha": None,
    "code_version": "1",
    "models": [],
    "adopted_models": [],
    "prompts": {},
}


def scorecard(task: str = "sorting", **values: Any) -> Scorecard:
    """Each value goes to the block that has a field of its name."""
    given = {"version": VERSION, **values}
    kinds = [block.kind for block in BLOCKS]
    parts = [kind(**{f.name: given.pop(f.name) for f in fields(kind) if f.name in given}) for kind in kinds]
    assert not given, f"no block has {sorted(given)}"
    return Scorecard(task, tuple(parts))
