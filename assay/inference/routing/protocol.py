"""Protocol of a router."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from assay.tasks.spec import RouteSpec


class Router(Protocol):
    """Selects the routes of a request, and decides after each valid response whether to call the next route."""

    def routes(self, fields: Mapping[str, str]) -> Sequence[RouteSpec]:
        """The routes for a record with these (masked) fields, in the order in which they are called; at least one."""
        ...

    def escalates(
        self,
        route: RouteSpec,
        *,
        output: Mapping[str, Any],
        confidence: float | None,
        fields: Mapping[str, str] | None = None,
    ) -> str | None:
        """The reason to call the next route although the response of `route` is valid; None to keep the response."""
        ...
