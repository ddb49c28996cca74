"""Dagster's web server and daemon, with definitions of one asset."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from assay.errors import UsageError
from assay.local import dagster_parts, processes, stack
from assay.settings import Settings

Up = Callable[..., dict[str, stack.PartStatus]]
DEFINITIONS = "import dagster\n\n@dagster.asset\ndef one() -> None: ...\n\ndefs = dagster.Definitions(assets=[one])\n"
DAGSTER = ("dagster-webserver", "dagster-daemon")


def test_both_parts_answer_and_down_leaves_no_code_server(settings: Settings, up: Up) -> None:
    (settings.root / "tiny_defs.py").write_text(DEFINITIONS)
    running = up(*DAGSTER, definitions_module="tiny_defs")
    assert [running[name].state for name in DAGSTER] == ["running", "running"]
    markers = [str(settings.state_dir / "run" / f"{name}.json") for name in DAGSTER]
    assert all(len(processes.members(marker, None)) >= 2 for marker in markers)
    stopped = stack.down(settings, report=lambda _: None)
    assert {each.state for each in stopped} == {"stopped"}
    assert [processes.members(marker, None) for marker in markers] == [[], []]


def test_definitions_that_cannot_be_loaded_are_told_in_one_line(settings: Settings, up: Up) -> None:
    (settings.root / "broken_defs.py").write_text("raise ValueError('no such task')\n")
    with pytest.raises(UsageError, match=r"cannot load broken_defs: .*no such task") as stopped:
        up("dagster-webserver", definitions_module="broken_defs")
    assert "\n" not in str(stopped.value)


def test_an_instance_file_of_the_users_own_stays_as_it_is(settings: Settings) -> None:
    home = settings.state_dir / "dagster"
    dagster_parts.write_instance(home)
    (home / "dagster.yaml").write_text("telemetry:\n  enabled: false\n")
    dagster_parts.write_instance(home)
    assert (home / "dagster.yaml").read_text() == "telemetry:\n  enabled: false\n"
