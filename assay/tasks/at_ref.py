"""Checks out a task folder as of a git ref."""

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
    """A task folder of one commit, written to disk; never changed once written."""

    folder: Path
    git_sha: str


def task_folder_at_ref(tasks_dir: Path, name: str, ref: str, *, kept_in: Path) -> FolderAtRef:
    """Returns the task folder as of the ref, written to `kept_in`/commit/name.

    Raises:
        UsageError: git or the repository is missing, the ref does not exist, or the task did not exist at that ref.
    """
    sha = _git(tasks_dir, ["rev-parse", "--verify", "--quiet", "--end-of-options", f"{ref}^{{commit}}"])
    if sha is None:
        raise UsageError(
            f"@{ref}: no branch, tag or commit of that name in the git repository that contains {tasks_dir}",
            next_step="run `git fetch` (a shallow clone in CI has one commit), or correct the name.",
        )
    commit = sha.decode().strip()
    folder = kept_in / commit / name
    if not folder.is_dir():
        _write_out(tasks_dir, name, commit, folder)
    return FolderAtRef(folder=folder, git_sha=commit)


def _write_out(tasks_dir: Path, name: str, commit: str, folder: Path) -> None:
    """Writes the folder atomically: it is complete or absent."""
    archive = _git(tasks_dir, ["archive", "--format=tar", commit, "--", name])
    if archive is None:
        raise UsageError(
            f"Task '{name}' did not exist at commit {commit[:12]}: that commit has no {tasks_dir.name}/{name}",
            next_step="choose a later ref, or omit --champion, because a new task has no champion.",
        )
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as beside:
        with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
            tar.extractall(beside, filter="data")
        try:
            (Path(beside) / name).rename(folder)
        except OSError:
            if not folder.is_dir():  # if it exists, another process has written it
                raise
            shutil.rmtree(Path(beside) / name)


def _git(folder: Path, arguments: list[str]) -> bytes | None:
    """Returns git's output, or None when git reports an error.

    Raises:
        UsageError: git is not installed or does not respond in time.
    """
    try:
        found = subprocess.run(
            ["git", "-C", str(folder), *arguments],
            capture_output=True,
            timeout=GIT_SECONDS,
            check=False,
        )
    except FileNotFoundError as error:
        raise UsageError("git is not installed; a variant @ref needs it", next_step="install git.") from error
    except subprocess.TimeoutExpired as error:
        raise UsageError(
            f"git {arguments[0]} did not respond within {GIT_SECONDS} s",
            next_step="check whether the repository is locked.",
        ) from error
    return found.stdout if found.returncode == 0 else None
