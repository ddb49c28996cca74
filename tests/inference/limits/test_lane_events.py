"""The log hears of a lane when something changes, and only then."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from assay.inference.limits.lane_events import report_lane
from assay.inference.limits.protocol import LaneState
from assay.inference.telemetry.protocol import Field

CALM = LaneState(
    limit_rpm=None,
    limit_tpm=None,
    limit_rpd=None,
    rate_rpm=30.0,
    in_flight=2,
    concurrency=16,
    waiting=0,
    paused_s=0.0,
)
LEARNT = replace(CALM, limit_rpm=6000.0)


class Heard:
    """Keeps what is told."""

    def __init__(self) -> None:
        self.events: list[tuple[str, dict[str, Any]]] = []

    def emit(self, name: str, **fields: Field) -> None:
        self.events.append((name, fields))


def heard(*states: LaneState) -> list[tuple[str, Any]]:
    """Names and reasons of what a lane's states in turn made of the log."""
    log, told = Heard(), None
    for state in states:
        told = report_lane(log, "openai:gpt-5-nano", told, state)
    return [(name, fields.get("reason")) for name, fields in log.events]


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        ((CALM, CALM), []),
        ((CALM, LEARNT, LEARNT), [("limit_changed", "learned")]),
        ((LEARNT, replace(LEARNT, limit_rpm=5900.0)), [("limit_changed", "learned")]),
        ((LEARNT, replace(LEARNT, limit_rpm=5000.0)), [("limit_changed", "learned"), ("limit_changed", "lowered")]),
        ((LEARNT, replace(LEARNT, limit_rpm=9000.0)), [("limit_changed", "learned"), ("limit_changed", "raised")]),
        ((CALM, replace(CALM, limit_tpm=1e6)), [("limit_changed", "learned")]),
        ((CALM, replace(CALM, paused_s=3.0), replace(CALM, paused_s=2.0)), [("lane_paused", None)]),
        (
            (replace(CALM, paused_s=1.0), CALM, replace(CALM, paused_s=1.0)),
            [("lane_paused", None), ("lane_paused", None)],
        ),
    ],
)
def test_a_change_is_told_once(states: tuple[LaneState, ...], expected: list[tuple[str, Any]]) -> None:
    assert heard(*states) == expected


def test_a_limit_that_creeps_is_told_when_it_has_moved_enough() -> None:
    creeping = [replace(LEARNT, limit_rpm=6000.0 * 1.01**step) for step in range(8)]

    assert heard(*creeping) == [("limit_changed", "learned"), ("limit_changed", "raised")]
