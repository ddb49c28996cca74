"""Locks and working folders of adoptions: held by one process, and gone with it."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from assay.adoption.locks import described, exclusive, working_folder
from tests.paths import ROOT

HOLDER = """
import sys, time
from pathlib import Path
from assay.adoption.locks import working_folder

with working_folder(Path(sys.argv[1])) as folder:
    folder.mkdir()
    print(folder.name, flush=True)
    time.sleep(120)
"""


def test_a_lock_is_held_once_and_leaves_no_file(tmp_path: Path) -> None:
    path = tmp_path / "new" / "a.lock"
    with exclusive(path) as lock:
        assert lock is not None
        lock.describe("a longer text")
        lock.describe("run 1")
        with exclusive(path) as second:
            assert second is None and described(path) == "run 1"
    assert not path.exists() and described(path) == ""
    with exclusive(path) as lock:
        assert lock is not None


@pytest.mark.processes
def test_a_folder_is_removed_by_the_next_one_only_when_its_process_has_ended(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLDER, str(tmp_path)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        theirs = tmp_path / process.stdout.readline().strip()
        (theirs.with_name(f".{theirs.name}.1a2b.partial")).mkdir()
        other = tmp_path / "0123"
        other.mkdir()
        with working_folder(tmp_path) as mine:
            assert not mine.exists() and theirs.is_dir()
        process.send_signal(signal.SIGKILL)
        process.wait(timeout=30)
    assert theirs.is_dir()
    with working_folder(tmp_path) as mine:
        mine.mkdir()
        assert sorted(path.name for path in tmp_path.iterdir()) == sorted([f".{mine.name}.lock", mine.name, "0123"])
    assert list(tmp_path.iterdir()) == [other]
