"""What the engine asks about routes.

Only the shape belongs here; the rules of a task are `rules.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from assay.tasks.spec import RouteSpec


class Router(Protocol):
    """The way a request takes; asked once for the routes, and again after each valid answer while a route is left."""

    def routes(self, fields: Mapping[str, str]) -> Sequence[RouteSpec]:
        """The routes for a record with these (masked) fields, in the order they are to be tried; never none."""
        ...

    def escalates(
        self,
        route: RouteSpec,
        *,
        output: Mapping[str, Any],
        confidence: float | None,
        fields: Mapping[str, str] | None = None,
    ) -> str | None:
        """Why the next route is asked although `route` gave a valid answer; None to keep the answer."""
        ...
