"""What the operating system says about processes: real ones, small and short."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from assay.local import processes

SLEEP = "import time; time.sleep(60)"
WITH_DETACHED_CHILD = (
    "import subprocess, sys, time\n"
    f"subprocess.Popen([sys.executable, '-c', {SLEEP!r}], start_new_session=True)\n"
    "time.sleep(60)"
)
DEAF = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(60)"


@pytest.fixture
def run(tmp_path: Path) -> Callable[[str], processes.Process]:
    def begin(code: str) -> processes.Process:
        return processes.start(
            [sys.executable, "-c", code],
            environment=dict(os.environ),
            marker=str(tmp_path),
            log=tmp_path / "log",
            cwd=tmp_path,
        )

    return begin


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_stopped_process_lives_no_more(run: Callable[[str], processes.Process], tmp_path: Path) -> None:
    process = run(SLEEP)
    assert processes.is_alive(process)
    assert processes.stop(str(tmp_path), process, grace_seconds=5) == 1
    assert not processes.is_alive(process)


def test_a_grandchild_in_another_session_is_stopped_without_its_parent(
    run: Callable[[str], processes.Process], tmp_path: Path
) -> None:
    parent = run(WITH_DETACHED_CHILD)
    until(lambda: len(processes.members(str(tmp_path), parent)) == 2)
    os.kill(parent.pid, 9)
    until(lambda: not processes.is_alive(parent))
    assert processes.stop(str(tmp_path), None, grace_seconds=5) == 1
    assert processes.members(str(tmp_path), None) == []


def test_a_process_that_ignores_the_request_is_killed_after_the_grace(
    run: Callable[[str], processes.Process], tmp_path: Path
) -> None:
    process = run(DEAF)
    until(lambda: "deaf" in (tmp_path / "log").read_text())
    processes.stop(str(tmp_path), process, grace_seconds=0.3)
    assert not processes.is_alive(process)


def test_a_pid_that_went_to_another_process_is_not_touched(
    run: Callable[[str], processes.Process], tmp_path: Path
) -> None:
    stranger = run(SLEEP)
    remembered = replace(stranger, started="an earlier boot:1")
    assert processes.stop("another marker", remembered, grace_seconds=1) == 0
    assert processes.is_alive(stranger)
    processes.stop(str(tmp_path), stranger, grace_seconds=5)


def test_a_process_that_ended_counts_as_ended_while_its_parent_lives(
    run: Callable[[str], processes.Process], tmp_path: Path
) -> None:
    process = run(SLEEP)
    os.kill(process.pid, 9)
    until(lambda: processes.find(process.pid) is None)
    assert processes.members(str(tmp_path), process) == []
