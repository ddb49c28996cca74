"""The stack's promises to the person who types `assay up`."""

from __future__ import annotations

import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from assay.errors import ServiceUnreachable, UsageError
from assay.local import stack
from assay.settings import Settings

Up = Callable[..., dict[str, stack.PartStatus]]


def test_a_stack_never_started_is_stopped_and_names_its_logs(settings: Settings) -> None:
    parts = stack.status(settings)
    assert tuple(part.name for part in parts) == stack.PARTS
    assert {part.state for part in parts} == {"stopped"}
    assert parts[1].log == settings.state_dir / "logs" / "model.log"


def test_an_unknown_part_is_refused_with_the_known_ones(up: Up) -> None:
    with pytest.raises(UsageError, match="'warehose': expected one of warehouse, model, dagster-webserver"):
        up("warehose")


def test_a_port_in_use_is_named_with_the_variable_that_moves_it(settings: Settings, up: Up) -> None:
    port = settings.ports.model_server
    with socket.create_server(("127.0.0.1", port)), pytest.raises(UsageError) as stopped:
        up("model")
    assert f"model cannot start: port {port}" in str(stopped.value)
    assert "set ASSAY_PORT_MODEL_SERVER to a free port" in str(stopped.value)


def test_a_missing_package_is_named_with_the_command_that_installs_it(up: Up) -> None:
    with pytest.raises(UsageError, match=r"warehouse cannot start: .*'no_such_emulator'.*`uv sync --group local`"):
        up("warehouse", emulator_module="no_such_emulator")


def test_a_part_that_ends_while_starting_is_told_with_its_last_words(settings: Settings, up: Up) -> None:
    # A module of the standard library that ends at once stands where the emulator should.
    with pytest.raises(ServiceUnreachable) as stopped:
        up("warehouse", emulator_module="json.tool")
    message = str(stopped.value)
    assert message.startswith("warehouse exited while starting (")
    assert str(settings.state_dir / "logs" / "warehouse.log") in message
    assert "ASSAY_PORT_BIGQUERY_REST" in message
    assert "\n" not in message
    assert stack.status(settings)[0].state == "dead"


def test_a_part_that_stays_silent_is_told_after_the_wait(up: Up) -> None:
    with pytest.raises(ServiceUnreachable, match=r"warehouse is not ready at http://\S+ after 0 s"):
        up("warehouse", wait_seconds=0.0)


def test_two_ups_at_once_start_the_model_once(settings: Settings, up: Up) -> None:
    told: list[str] = []
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(lambda _: up("model", report=told.append), range(2))
    assert first == second
    assert sum("ready after" in line for line in told) == 1
    assert sum("already running" in line for line in told) == 1


def test_down_on_a_stopped_stack_says_so(settings: Settings) -> None:
    told: list[str] = []
    stack.down(settings, report=told.append)
    assert told == [f"{name}: was not running" for name in reversed(stack.PARTS)]
