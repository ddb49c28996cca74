"""A task folder as it was at a git ref, read without touching the working tree."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from assay.errors import UsageError
from assay.tasks.at_ref import task_folder_at_ref
from tests.fakes.task_folder import TaskFolder

pytestmark = pytest.mark.processes

AUTHOR = ("-c", "user.name=tests", "-c", "user.email=tests@example.com", "-c", "commit.gpgsign=false")


def git(root: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", *AUTHOR, *arguments], cwd=root, capture_output=True, text=True, timeout=30, check=True
    )
    return done.stdout.strip()


def committed(folder: TaskFolder) -> str:
    """The folder is committed in a repository of its own; returns the commit."""
    if not (folder.root / ".git").exists():
        git(folder.root, "init", "-q", "-b", "main")
    git(folder.root, "add", "-A")
    git(folder.root, "commit", "-q", "-m", "Sort texts")
    return git(folder.root, "rev-parse", "HEAD")


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    return tmp_path / ".assay" / "refs"


def test_the_folder_is_as_it_was_and_the_working_tree_stays(folder: TaskFolder, kept: Path) -> None:
    commit = committed(folder)
    folder.write("user.j2", "Other words: {{ message }}\n")

    found = task_folder_at_ref(folder.root / "tasks", "sorting", "main", kept_in=kept)

    assert (found.git_sha, found.folder) == (commit, kept / commit / "sorting")
    assert "Other words" not in (found.folder / "user.j2").read_text()
    assert "Other words" in (folder.path / "user.j2").read_text()


@pytest.mark.parametrize("ref", ["main", "v1", "HEAD~1"])
def test_branches_tags_and_commits_are_refs(folder: TaskFolder, kept: Path, ref: str) -> None:
    first = committed(folder)
    git(folder.root, "tag", "v1")
    git(folder.root, "branch", "kept")
    folder.write("user.j2", "Later: {{ message }}\n")
    later = committed(folder)

    found = task_folder_at_ref(folder.root / "tasks", "sorting", ref, kept_in=kept)

    assert found.git_sha == (later if ref == "main" else first)


def test_a_commit_is_written_out_once(folder: TaskFolder, kept: Path) -> None:
    committed(folder)
    first = task_folder_at_ref(folder.root / "tasks", "sorting", "main", kept_in=kept)
    (first.folder / "kept.txt").write_text("still here")

    assert (task_folder_at_ref(folder.root / "tasks", "sorting", "main", kept_in=kept).folder / "kept.txt").exists()


@pytest.mark.parametrize(
    ("name", "ref", "said"),
    [
        ("sorting", "nowhere", "@nowhere: no branch, tag or commit"),
        ("sorting", "--help", "@--help: no branch, tag or commit"),
        ("sorting", "main:tasks", "no branch, tag or commit"),
        ("unknown", "main", "Task 'unknown' did not exist at commit"),
    ],
)
def test_what_is_not_there_is_said(folder: TaskFolder, kept: Path, name: str, ref: str, said: str) -> None:
    committed(folder)

    with pytest.raises(UsageError, match=said):
        task_folder_at_ref(folder.root / "tasks", name, ref, kept_in=kept)

    assert not list(kept.glob("*/*"))


def test_without_a_repository_there_is_no_ref(
    folder: TaskFolder, kept: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))

    with pytest.raises(UsageError, match="in the git repository that contains"):
        task_folder_at_ref(folder.root / "tasks", "sorting", "main", kept_in=kept)


def test_without_git_it_is_said(
    folder: TaskFolder, kept: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(UsageError, match="git is not installed; a variant @ref needs it"):
        task_folder_at_ref(folder.root / "tasks", "sorting", "main", kept_in=kept)
