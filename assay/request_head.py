"""The bound of a request's head, which a server reads before it can check who sends it.

Uvicorn's parser of choice, httptools, bounds neither a head nor the number of pipelined requests in memory; the one of
h11 keeps at most one incomplete head and reads no further until a request is answered.
"""

from __future__ import annotations

from asyncio import AbstractEventLoop
from typing import Any

from uvicorn import config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

MAX_HEAD_BYTES = 64 * 1024
"""More than browsers send with the cookies of all ports of this machine; larger heads are answered with 400."""


class BoundedHead(H11Protocol):
    """HTTP/1.1 with a bound of `MAX_HEAD_BYTES` for a head, and for what else is read before the body."""

    def __init__(
        self,
        config: config.Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: AbstractEventLoop | None = None,
    ) -> None:
        config.h11_max_incomplete_event_size = MAX_HEAD_BYTES
        super().__init__(config, server_state, app_state, _loop)


def bound_request_heads() -> None:
    """Bounds the heads of all servers that this process starts, also those of the emulator and of Dagster."""
    config.HTTP_PROTOCOLS["auto"] = f"{BoundedHead.__module__}:{BoundedHead.__name__}"
