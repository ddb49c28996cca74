"""Writes and reads the JSON column `predictions.routing`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from assay.records.row import JsonText
from assay.tasks.spec import RouteSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Escalation:
    """An escalation from `route` to the next route.

    `reason` is the router's reason, or the kind of failure if the route returned no valid response.
    """

    route: str
    reason: str
    confidence: float | None = None


def routing_column(
    routes: Sequence[RouteSpec], escalations: Sequence[Escalation] = (), *, confidence: float | None = None
) -> JsonText | None:
    """The JSON of `routing`: the routes, the escalations and their reasons, and the confidence in the kept response.

    Returns None if there is nothing to record: a single route without confidence.
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
    """The confidence in the kept response, from a landed `routing` value (JSON text or parsed); None if there is none."""
    content = orjson.loads(routing) if isinstance(routing, str) else routing
    found = content.get("confidence") if isinstance(content, Mapping) else None
    return float(found) if isinstance(found, int | float) and not isinstance(found, bool) else None
