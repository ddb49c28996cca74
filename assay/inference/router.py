"""Chooses the routes of a request, in the order they are to be tried.

Rules on record fields and cascades take this class's place behind the same Protocol.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from assay.tasks.spec import RouteSpec


class Router(Protocol):
    """What the engine asks once for each request."""

    def routes(self) -> Sequence[RouteSpec]:
        """The steps to try, first to last."""
        ...


class OrderedRouter:
    """The routes as `task.yml` lists them: each is the fallback of the one before."""

    def __init__(self, routes: Sequence[RouteSpec]) -> None:
        self._routes = tuple(routes)

    def routes(self) -> Sequence[RouteSpec]:
        """See `Router.routes`."""
        return self._routes
