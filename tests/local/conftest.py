"""Stacks on free ports in folders of their own, ended after the test, and one model server for the session."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from assay.local import processes, stack, state
from assay.settings import Ports, Settings
from tests.emulator import TOKEN


def free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()


def local_settings(root: Path) -> Settings:
    rest, grpc, model, dagster = free_ports(4)
    return Settings(
        root=root,
        bigquery_endpoint=f"http://127.0.0.1:{rest}",
        bigquery_grpc_endpoint=f"127.0.0.1:{grpc}",
        ports=Ports(bigquery_rest=rest, bigquery_grpc=grpc, model_server=model, dagster=dagster),
        local_token=TOKEN,
    )


def end(settings: Settings) -> None:
    """Kills what is left of the stack; a service that is still starting may ignore SIGTERM for half a minute."""
    for file in (settings.state_dir / "run").glob("*.json"):
        launch = state.read(file)
        processes.stop(str(file), launch and launch.process, grace_seconds=0)


@pytest.fixture
def settings(tmp_path: Path) -> Iterator[Settings]:
    made = local_settings(tmp_path)
    yield made
    end(made)


@pytest.fixture
def up(settings: Settings) -> Callable[..., dict[str, stack.PartStatus]]:
    """Brings up the named services; returns the status by name."""

    def bring(
        *parts: str, report: Callable[[str], None] = lambda _: None, **options: object
    ) -> dict[str, stack.PartStatus]:
        chosen = stack.StackOptions(**options)  # type: ignore[arg-type]
        return {each.name: each for each in stack.up(settings, parts=parts, report=report, options=chosen)}

    return bring


@pytest.fixture(scope="session")
def model_port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of a model server that answers."""
    made = local_settings(tmp_path_factory.mktemp("model"))
    stack.up(made, parts=["model"], report=lambda _: None)
    yield made.ports.model_server
    end(made)
