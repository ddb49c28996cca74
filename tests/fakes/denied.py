"""A project folder of a process without the rights of root, which may read every file."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

NOBODY = 65534


@contextmanager
def own_folder() -> Iterator[Path]:
    """A folder that other users can reach, unlike pytest's; removed at the end, whatever its permissions are."""
    folder = Path(tempfile.mkdtemp(prefix="assay-denied-"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        for path in (folder, *folder.rglob("*")):
            if path.is_dir() and not path.is_symlink():
                path.chmod(0o755)
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def as_nobody(owned: Path) -> Iterator[None]:
    """Inside the block, the process has no rights of root; it owns `owned` and all that is in it.

    Nothing is needed if the tests do not run as root. A container may forbid the change: the test is then skipped.
    """
    if os.geteuid() != 0:
        yield
        return
    for path in (owned, *owned.rglob("*")):
        os.chown(path, NOBODY, NOBODY, follow_symlinks=False)
    try:
        os.seteuid(NOBODY)
    except OSError:
        pytest.skip("this container may not change its user")
    try:
        yield
    finally:
        os.seteuid(0)
