"""What a request tells while it is answered: its trace's id in the rows, a span at its end, lines of what went wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from assay.inference.telemetry.protocol import Field
from assay.records import Prediction, Response
from assay.tasks.task import Task
from tests.fakes.endpoint import ScriptedEndpoint, completion, error
from tests.inference.rig import Rig, prediction

GOOD = completion('{"label": "billing"}')
BAD = completion('{"label": "refund"}')
TRACE = "ab" * 16


@dataclass
class Watching:
    """Keeps what is told of requests and events."""

    ended: list[tuple[Prediction | None, int]] = field(default_factory=list)
    events: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    trace_id: str = TRACE

    def start_request(self, position: int, *, epoch: int) -> Watching:
        return self

    def end(self, prediction: Prediction | None, responses: Sequence[Response] = ()) -> None:
        self.ended.append((prediction, len(responses)))

    def emit(self, name: str, **fields: Field) -> None:
        self.events.append((name, fields))


def watched(task: Task, **endpoints: Any) -> tuple[Rig, Watching]:
    rig, watching = Rig(task, **endpoints), Watching()
    rig.engine = replace(rig.engine, tracing=watching, events=watching)
    return rig, watching


def test_the_rows_have_the_trace_and_the_span_has_the_rows(task: Task) -> None:
    rig, watching = watched(task, openai=ScriptedEndpoint([error(500), GOOD]))

    answered = rig.answer()

    assert {row.trace_id for row in answered.responses} == {TRACE}
    assert watching.ended == [(prediction(answered), 2)]


def test_a_failed_call_is_told_with_its_kind_and_attempt(task: Task) -> None:
    rig, watching = watched(task, openai=ScriptedEndpoint([error(500), error(429), GOOD]))

    answered = rig.answer()

    told = [(name, fields["kind"], fields["attempt"], fields["call_id"]) for name, fields in watching.events]
    first, second, _ = answered.responses
    assert told == [("call_failed", "server", 1, first.call_id), ("call_failed", "rate_limited", 2, second.call_id)]


def test_the_next_route_is_told_with_its_reason(task: Task) -> None:
    rig, watching = watched(task, openai=ScriptedEndpoint([BAD]), local=ScriptedEndpoint([GOOD]))

    rig.answer()

    assert [fields for name, fields in watching.events if name == "route_escalated"] == [
        {"route": "first", "reason": "invalid_output", "trace_id": TRACE}
    ]
