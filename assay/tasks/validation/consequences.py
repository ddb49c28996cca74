"""Decides which issues are not reported, because they follow from another issue."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

CASES = "cases.jsonl"


@dataclass(frozen=True, slots=True)
class Reference:
    """Values below `key` in a block of task.yml refer to the parts in `needs`; an empty key is any value of the block."""

    block: str
    key: str
    needs: frozenset[str]


REFERENCES = (
    Reference("correct", "", frozenset({"checks", "judges"})),
    Reference("thresholds", "", frozenset({"correct"})),
    Reference("gate", "metric", frozenset({"checks", "judges", "correct"})),
    Reference("gate", "judge", frozenset({"judges"})),
    Reference("gate", "type", frozenset({"correct", "sla"})),
    Reference("gate", "slice", frozenset({CASES})),
    Reference("gate", "covering", frozenset({CASES})),
    Reference("routes", "checks", frozenset({"checks"})),
    Reference("prompts", "few_shot", frozenset({CASES})),
)


def follows(path: tuple[str | int, ...], unreadable: Collection[str]) -> bool:
    """True if the value at `path` refers to a part of the task folder that could not be read."""
    return any(
        not one.needs.isdisjoint(unreadable)
        for one in REFERENCES
        if path[:1] == (one.block,) and (not one.key or one.key in path)
    )
