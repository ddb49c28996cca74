"""Serves the labeling page until it is interrupted."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Mapping, Sequence

from assay.errors import UsageError
from assay.labels.page.app import make_app
from assay.labels.page.guard import ANYONE, PageKeys
from assay.labels.session import LabelingSession
from assay.request_guard import LOOPBACK

GRACE_S = 3
BACKLOG = 128


def serve(
    session: LabelingSession,
    *,
    host: str,
    port: int,
    people: Sequence[str],
    ready: Callable[[Mapping[str, str]], None],
) -> None:
    """Serves the page until the process is interrupted.

    `ready` is called with the address of each person in `people`; each opens only that person's items. Without people,
    it gets the address of the home page, for `ANYONE`, where people enter any name.

    Raises:
        UsageError: the port is in use, or `host` is not an address of this machine.
    """
    import uvicorn

    from assay.request_head import bound_request_heads

    bound_request_heads()
    listening = _bound(host, port)
    keys = PageKeys(session.task.name)
    names = (*LOOPBACK, f"[{host}]" if ":" in host else host, socket.gethostname())
    hosts = LOOPBACK if host in ("127.0.0.1", "localhost", "::1") else (*names, *_addresses(host))
    shown = f"[{host}]" if ":" in host else host
    origin = f"http://{shown}:{listening.getsockname()[1]}"
    ready({person: origin + keys.address(person) for person in people or (ANYONE,)})
    threading.Thread(target=session.warm, name="warm", daemon=True).start()
    config = uvicorn.Config(
        make_app(session, keys=keys, hosts=hosts),
        log_level="warning",
        access_log=False,
        lifespan="off",
        ws="none",
        server_header=False,
        timeout_graceful_shutdown=GRACE_S,
    )
    uvicorn.Server(config).run(sockets=[listening])


def _bound(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
        listening.listen(BACKLOG)  # so that connections wait, instead of being refused, until the server has started
    except OSError as error:
        listening.close()
        raise UsageError(
            f"The labeling page cannot listen on {host}:{port}: {error.strerror}",
            next_step="choose a free port with --port, or 0 for any.",
        ) from error
    return listening


def _addresses(host: str) -> tuple[str, ...]:
    """Returns all addresses of the machine if `host` is a wildcard address, otherwise none."""
    if host not in ("0.0.0.0", "::"):  # noqa: S104 - compared, not bound
        return ()
    try:
        found = socket.getaddrinfo(socket.gethostname(), None)
    except OSError:
        return ()
    return tuple({f"[{address[0]}]" if ":" in str(address[0]) else str(address[0]) for *_, address in found})
