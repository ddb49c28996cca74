"""The JSON column `predictions.routing`, written and read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from assay.records.row import JsonText
from assay.tasks.spec import RouteSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Escalation:
    """A route that was followed by the next; `reason` is the router's, or the kind of failure without a valid response."""

    route: str
    reason: str
    confidence: float | None = None


def routing_column(
    routes: Sequence[RouteSpec], escalations: Sequence[Escalation] = (), *, confidence: float | None = None
) -> JsonText | None:
    """The JSON of `routing`: the routes, the escalations with their reasons, the confidence of the kept response.

    None if there is nothing to record: one route, no confidence.
    """
    if len(routes) < 2 and not escalations and confidence is None:
        return None
    content = {
        "routes": [route.name for route in routes],
        "escalations": [
            {"route": left.route, "reason": left.reason, "confidence": left.confidence} for left in escalations
        ],
        "confidence": confidence,
    }
    return orjson.dumps(content).decode()


def landed_confidence(routing: str | Mapping[str, Any] | None) -> float | None:
    """The confidence of the kept response in a landed `routing`, as text or parsed; None if there is none."""
    content = orjson.loads(routing) if isinstance(routing, str) else routing
    found = content.get("confidence") if isinstance(content, Mapping) else None
    return float(found) if isinstance(found, int | float) and not isinstance(found, bool) else None
