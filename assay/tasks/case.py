"""A golden case."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from assay.records.statuses import GoldenSplit
from assay.tasks.spec import TaskSpec


@dataclass(frozen=True, slots=True)
class Case:
    """One golden case of `cases.jsonl`."""

    case_id: str
    split: GoldenSplit
    input: Mapping[str, str]
    expected: Mapping[str, Any] | None
    slices: Mapping[str, str]
    cluster_id: str | None
    author: str | None
    authored_on: str | None
    conversation: str | None = None
    turn: int | None = None


def few_shot_cases(spec: TaskSpec, cases: tuple[Case, ...]) -> tuple[Case, ...]:
    """The cases listed in `prompts.few_shot`, in that order."""
    by_id = {case.case_id: case for case in cases}
    return tuple(by_id[case_id] for case_id in spec.prompts.few_shot if case_id in by_id)
