"""A file that cannot be read is reported as such, with its path and reason: it is not taken for an absent one."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from assay.cli.application import cli
from tests.fakes.denied import as_nobody, own_folder
from tests.fakes.task_folder import TaskFolder

LOOP = "Too many levels of symbolic links"
DENIED = "Permission denied"
FILES = ["task.yml", "output.py", "checks.py", "system.j2", "cases.jsonl"]


@pytest.fixture
def root() -> Iterator[Path]:
    with own_folder() as folder:
        TaskFolder(folder)
        # The user without rights cannot import what the command needs.
        assert CliRunner().invoke(cli, ["check"], env=environment(folder)).exit_code == 0
        yield folder


def environment(root: Path) -> dict[str, str]:
    return {"ASSAY_ROOT": str(root), "ASSAY_HASH_KEY": "k" * 32}


def invoked(root: Path, *arguments: str) -> Result:
    with as_nobody(root):
        return CliRunner().invoke(cli, list(arguments), env=environment(root))


def loop(path: Path) -> None:
    path.unlink(missing_ok=True)
    path.symlink_to(path.name)


def pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize(
    ("change", "reason"),
    [(lambda path: path.chmod(0), DENIED), (loop, LOOP), (pipe, "it is not a regular file")],
    ids=["denied", "loop", "pipe"],
)
def test_each_file_of_a_task(root: Path, file: str, change: Callable[[Path], None], reason: str) -> None:
    change(root / "tasks" / "sorting" / file)
    done = invoked(root, "check")
    assert done.exit_code == 3
    assert reason in done.output
    assert file in done.output
    assert "bug in Assay" not in done.output


def test_a_task_folder_beside_a_good_one(root: Path) -> None:
    (root / "tasks" / "closed").mkdir()
    (root / "tasks" / "closed").chmod(0)
    (root / "tasks" / "loop").symlink_to("loop")
    done = invoked(root, "check")
    assert done.exit_code == 3
    assert f"tasks/closed/task.yml:1: the file cannot be read: {DENIED}" in done.output
    assert f"tasks/loop/task.yml:1: the file cannot be read: {LOOP}" in done.output


@pytest.mark.parametrize("arguments", [["check", "sorting"], ["check"]])
@pytest.mark.parametrize("mode", [0o000, 0o400])
def test_the_task_folder_itself(root: Path, arguments: list[str], mode: int) -> None:
    (root / "tasks" / "sorting").chmod(mode)
    done = invoked(root, *arguments)
    assert done.exit_code == 3
    assert f"tasks/sorting/task.yml:1: the file cannot be read: {DENIED}" in done.output


@pytest.mark.parametrize("mode", [0o000, 0o400, 0o100])
def test_the_folder_of_all_tasks(root: Path, mode: int) -> None:
    (root / "tasks").chmod(mode)
    done = invoked(root, "check")
    assert done.exit_code == 3
    assert DENIED in done.output
    assert "no task" not in done.output


def test_a_project_without_permission_is_a_message(root: Path) -> None:
    root.chmod(0)
    done = invoked(root, "check")
    assert done.exit_code == 3
    assert "ASSAY_ROOT is" in done.output
    assert DENIED in done.output


def test_a_project_whose_name_is_too_long_is_a_message() -> None:
    done = CliRunner().invoke(cli, ["check"], env={"ASSAY_ROOT": "/x" * 5000})
    assert done.exit_code == 3
    assert "File name too long" in done.output
    assert len(done.output) < 500


def test_a_new_task_where_nothing_can_be_written_is_a_message(root: Path) -> None:
    (root / "tasks").chmod(0o500)
    done = invoked(root, "init", "fresh")
    assert done.exit_code == 3
    assert f"tasks/fresh cannot be created: {DENIED}" in done.output


@pytest.mark.parametrize("arguments", [["run", "sorting"], ["eval", "sorting"], ["up"], ["down"], ["demo"]])
def test_a_state_folder_that_cannot_be_written_is_a_message_at_once(root: Path, arguments: list[str]) -> None:
    for name in ("assay.demo", "assay.evaluation.evaluate", "assay.local.stack"):
        importlib.import_module(name)  # the user without rights cannot
    (root / ".assay").mkdir(exist_ok=True)
    (root / ".assay").chmod(0o500)
    done = invoked(root, *arguments)
    assert done.exit_code == 3
    assert f"{root}/.assay cannot be written: {DENIED}" in done.output
