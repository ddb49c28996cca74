"""A service of the local stack: its command, its ports, and the probe that checks whether it is ready."""

from __future__ import annotations

import http.client
import importlib.util
import json
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from assay.errors import UsageError

HOST = "127.0.0.1"
PROBE_SECONDS = 2.0


def _nothing() -> None:
    """Default of `Part.prepare`: no preparation."""


def _no_explanation(_: str) -> Explanation | None:
    return None


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a service failed to start, according to its log, and how to fix it."""

    cause: str
    next_step: str


@dataclass(frozen=True, slots=True)
class Part:
    """One service of the local stack.

    `ports` maps the environment variable that configures a port to its number. `answers` takes the Unix time of the
    launch and returns True once the service is ready. `explain` finds the cause of a failed start in the text of the
    log. `modules` are Python modules that the command needs. `after` names a service that must be ready first.
    `environment` is added to the inherited environment. `has_page` is True for a service with a page for the browser.
    """

    name: str
    command: tuple[str, ...]
    ports: Mapping[str, int]
    url: str | None
    modules: tuple[str, ...]
    answers: Callable[[float], bool]
    prepare: Callable[[], None] = _nothing
    explain: Callable[[str], Explanation | None] = _no_explanation
    after: str | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    grace_seconds: float = 20.0
    has_page: bool = False

    @property
    def port_numbers(self) -> tuple[int, ...]:
        """The ports that the service listens on, in the order of `ports`."""
        return tuple(self.ports.values())

    @property
    def remedy(self) -> str:
        """The variables that configure the ports with their current values, for messages; empty without ports."""
        return ", ".join(f"{variable} (now {port})" for variable, port in self.ports.items())


def require_modules(part: Part) -> None:
    """Checks that every module that the service needs is installed.

    Raises:
        UsageError: a module is not installed.
    """
    for module in part.modules:
        if importlib.util.find_spec(module) is None:
            raise UsageError(
                f"{part.name} cannot start: the Python package {module!r} is not installed",
                next_step="run `uv sync --group local`.",
            )


def require_free_ports(part: Part) -> None:
    """Checks that no other program listens on the service's ports.

    Raises:
        UsageError: a port is in use; the message names it and the environment variable that configures it.
    """
    for variable, port in part.ports.items():
        if not _is_free(port):
            raise UsageError(
                f"{part.name} cannot start: port {port} on {HOST} is in use by another program",
                next_step=f"stop that program, or set {variable} to a free port.",
            )


def is_open(port: int) -> bool:
    """True if a program listens on the port."""
    try:
        socket.create_connection((HOST, port), timeout=PROBE_SECONDS).close()
    except OSError:
        return False
    return True


def get_json(port: int, path: str, *, token: str) -> Any:
    """Returns the JSON document at the path, or None if there is no valid response."""
    return _exchange(port, "GET", path, None, token)


def post_json(port: int, path: str, document: object, *, token: str) -> Any:
    """Posts a JSON document and returns the response, or None if there is no valid response."""
    return _exchange(port, "POST", path, json.dumps(document), token)


def _exchange(port: int, method: str, path: str, body: str | None, token: str) -> Any:
    # http.client, unlike urllib, ignores a proxy set in the environment.
    connection = http.client.HTTPConnection(HOST, port, timeout=PROBE_SECONDS)
    try:
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
        connection.request(method, path, body=body, headers=headers)
        response = connection.getresponse()
        text = response.read()
        return json.loads(text) if response.status == http.HTTPStatus.OK else None
    except (OSError, http.client.HTTPException, json.JSONDecodeError):
        return None
    finally:
        connection.close()


def _is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # With this option, a port with recently closed connections counts as free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True
