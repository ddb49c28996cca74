"""A project under git, as a team has it: the task on `main`, changes on branches."""

from __future__ import annotations

import subprocess
from typing import Any

from tests.end_to_end.workplace import Workplace
from tests.evaluation.scenario import cases, evaluated_task

AUTHOR = ("-c", "user.name=tests", "-c", "user.email=tests@example.com", "-c", "commit.gpgsign=false")


def git(place: Workplace, *arguments: str) -> str:
    done = subprocess.run(
        ["git", *AUTHOR, *arguments], cwd=place.root, capture_output=True, text=True, timeout=30, check=True
    )
    return done.stdout.strip()


def committed(place: Workplace, message: str) -> str:
    """Everything in the folder is in a commit; returns it."""
    git(place, "add", "-A")
    git(place, "commit", "-q", "-m", message)
    return git(place, "rev-parse", "HEAD")


def repository(place: Workplace, name: str, **edits: Any) -> str:
    """A git repository with the task on its branch main; returns the task's name."""
    git(place, "init", "-q", "-b", "main")
    place.write(".gitignore", ".assay/\n")
    task = evaluated_task(place, name, cases(150), **edits)
    committed(place, "Sort texts")
    return task
