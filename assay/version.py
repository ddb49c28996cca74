"""Version of the running code: the package's version and the checkout's commit."""

from __future__ import annotations

import subprocess
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

GIT_SECONDS = 5


@lru_cache(maxsize=1)
def code_version() -> str:
    """The version of the installed package."""
    try:
        return version("assay")
    except PackageNotFoundError:  # run from a source tree that is not installed
        return "0+source"


@lru_cache(maxsize=8)
def git_sha(root: Path) -> str | None:
    """The commit that is checked out at `root`; None outside a git repository."""
    try:
        found = subprocess.run(
            ["git", "rev-parse", "HEAD"],
            cwd=root,
            capture_output=True,
            text=True,
            timeout=GIT_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return found.stdout.strip() if found.returncode == 0 else None
