"""What a command writes is its owner's alone, whatever the umask; what a task folder holds is for the whole team."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from assay.settings.secret_file import private_folder
from tests.paths import ROOT


def assay(folder: Path, *arguments: str, umask: int) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "ASSAY_BIGQUERY_ENDPOINT": "http://127.0.0.1:9"}
    return subprocess.run(
        [sys.executable, "-c", "import sys; from assay.cli import main; sys.exit(main())", *arguments],
        cwd=folder, env=environment, umask=umask, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip


@pytest.mark.parametrize("umask", [0, 0o022, 0o077])
def test_the_state_of_a_project_is_its_owners_whatever_the_umask(tmp_path: Path, umask: int) -> None:
    (tmp_path / "tasks").mkdir()
    shutil.copy(ROOT / "providers.yml", tmp_path)
    made = assay(tmp_path, "init", "mine", umask=umask)
    assert made.returncode == 0, made.stderr
    assay(tmp_path, "run", "mine", "--input", "golden", umask=umask)  # no warehouse responds, after the key was made
    state = tmp_path / ".assay"
    found = {path.relative_to(tmp_path).as_posix(): stat.S_IMODE(path.stat().st_mode) for path in state.rglob("*")}
    assert ".assay/hash_key" in found, "a command made no state"
    assert {name: oct(mode) for name, mode in found.items() if mode & 0o077} == {}
    assert stat.S_IMODE(state.stat().st_mode) == 0o700
    spec = tmp_path / "tasks" / "mine" / "task.yml"
    assert stat.S_IMODE(spec.stat().st_mode) == 0o644


def test_a_state_folder_of_an_older_release_is_closed_to_others(tmp_path: Path) -> None:
    state = tmp_path / ".assay"
    state.mkdir(mode=0o755)
    private_folder(state)
    assert stat.S_IMODE(state.stat().st_mode) == 0o700
