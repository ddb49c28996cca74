"""A task folder as it was at a git ref.

Only git belongs here: which commit a name means, and the files it had. Loading the folder is `loader.py`'s part.
"""

from __future__ import annotations

import io
import shutil
import subprocess
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

from assay.errors import UsageError

GIT_SECONDS = 60


@dataclass(frozen=True, slots=True)
class FolderAtRef:
    """The folder's files of one commit, written out; whoever has them uses them only to read."""

    folder: Path
    git_sha: str


def task_folder_at_ref(tasks_dir: Path, name: str, ref: str, *, kept_in: Path) -> FolderAtRef:
    """The task folder as it was at the ref, kept below `kept_in` by its commit.

    Raises:
        UsageError: there is no git or no repository, it has no such ref, or no such task there.
    """
    sha = _git(tasks_dir, ["rev-parse", "--verify", "--quiet", "--end-of-options", f"{ref}^{{commit}}"])
    if sha is None:
        raise UsageError(
            f"@{ref}: expected a branch, tag or commit of the git repository around {tasks_dir}, found none of that name; "
            f"`git fetch` may be missing (a shallow clone of CI has one commit), or correct the name."
        )
    commit = sha.decode().strip()
    folder = kept_in / commit / name
    if not folder.is_dir():
        _write_out(tasks_dir, name, commit, folder)
    return FolderAtRef(folder=folder, git_sha=commit)


def _write_out(tasks_dir: Path, name: str, commit: str, folder: Path) -> None:
    """The folder is there whole, or not at all."""
    archive = _git(tasks_dir, ["archive", "--format=tar", commit, "--", name])
    if archive is None:
        raise UsageError(
            f"Task '{name}' did not exist at commit {commit[:12]}: expected {tasks_dir.name}/{name} there; "
            "name a later ref, or leave --champion away, for a new task has no champion."
        )
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as beside:
        with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
            tar.extractall(beside, filter="data")
        try:
            (Path(beside) / name).rename(folder)
        except OSError:
            if not folder.is_dir():  # else another process was faster
                raise
            shutil.rmtree(Path(beside) / name)


def _git(folder: Path, arguments: list[str]) -> bytes | None:
    """What git answers, None where it refuses.

    Raises:
        UsageError: there is no git, or it does not answer.
    """
    try:
        found = subprocess.run(
            ["git", "-C", str(folder), *arguments], capture_output=True, timeout=GIT_SECONDS, check=False
        )
    except FileNotFoundError as error:
        raise UsageError("A variant @ref is read with git: expected it to be installed, found none.") from error
    except subprocess.TimeoutExpired as error:
        raise UsageError(
            f"git {arguments[0]} did not answer within {GIT_SECONDS} s; see whether the repository is locked."
        ) from error
    return found.stdout if found.returncode == 0 else None
