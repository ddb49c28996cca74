"""Recognizes an endpoint that rejects every request, although no single error says that it concerns all records.

Endpoints state the same cause in many words: a model that lacks what the task needs, a path that does not exist, an
account that lacks a permission. If the first requests of a route were all rejected with the same message, so will be the
others.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from assay.inference.endpoint.failures import CallFailure, FailureKind
from assay.inference.endpoint.replies import Reply

FIRST_REQUESTS = 20
"""Number of rejected requests, without any reply, after which a run is stopped."""
OF_THE_REQUEST = re.compile(r"[0-9a-f-]{8,}|[0-9]+", re.I)
"""Parts of a message that differ between requests with the same cause: ids, sizes, positions."""


@dataclass(slots=True)
class Rejections:
    """Counts rejections per route until its first reply."""

    first_requests: int = FIRST_REQUESTS
    _counts: dict[str, dict[str, int]] = field(default_factory=dict)
    _answers: set[str] = field(default_factory=set)

    def note(self, route: str, outcome: Reply | CallFailure) -> bool:
        """Counts the outcome of a call; returns True if the route rejects every request."""
        if isinstance(outcome, Reply):
            self._answers.add(route)
        if route in self._answers or isinstance(outcome, Reply) or outcome.kind is not FailureKind.BAD_REQUEST:
            return False
        counts = self._counts.setdefault(route, {})
        cause = OF_THE_REQUEST.sub("#", outcome.message)
        counts[cause] = counts.get(cause, 0) + 1
        return counts[cause] >= self.first_requests and len(counts) == 1
