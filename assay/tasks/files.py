"""Reads files of a project. A file that cannot be read is never taken for one that does not exist."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

ABSENT = frozenset({errno.ENOENT, errno.ENOTDIR})


def is_present(path: Path) -> bool:
    """True unless the path certainly does not exist: also for a link to nowhere, and where permission is denied."""
    try:
        path.lstat()
    except OSError as error:
        return error.errno not in ABSENT
    except ValueError:  # a null character
        return False
    return True


def is_inside(path: Path, folder: Path) -> bool:
    """True if the path, with all links followed, is in the folder. A loop of links is followed to its first link."""
    # os.path, because `Path.resolve` raises a RuntimeError for a loop.
    return Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder))


def read_file(path: Path) -> bytes:
    """Returns the content of a regular file.

    Raises:
        OSError: the file does not exist or cannot be read, or it is no regular file; a pipe would wait for a writer.
    """
    file = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(file, "rb") as opened:
        if not stat.S_ISREG(os.fstat(file).st_mode):
            raise OSError(errno.EINVAL, "it is not a regular file", str(path))
        return opened.read()


def read_text(path: Path) -> str:
    """Returns the text of a regular file in UTF-8, each line ended by a newline alone.

    Raises:
        OSError: as for `read_file`.
        UnicodeDecodeError: the file is not UTF-8.
    """
    return read_file(path).decode("utf-8").replace("\r\n", "\n").replace("\r", "\n")


def reason(error: OSError) -> str:
    """Returns why the system refused, in a few words."""
    return error.strerror or type(error).__name__
