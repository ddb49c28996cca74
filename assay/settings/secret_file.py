"""Secrets of a project that are created on first use, in files that only their owner can read."""

from __future__ import annotations

import os
import secrets
import stat
from contextlib import suppress
from pathlib import Path

SECRET_BYTES = 32


def secret_file(path: Path) -> bytes:
    """Returns the secret in the file; a missing file is created, with `SECRET_BYTES` random bytes in hexadecimal.

    If several processes create it at once, the first wins, and none reads a partial secret.

    Raises:
        OSError: the file cannot be read or created.
    """
    if not path.exists():
        private_folder(path.parent)
        draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        with os.fdopen(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w", encoding="ascii") as file:
            file.write(secrets.token_hex(SECRET_BYTES))
        try:
            with suppress(FileExistsError):
                os.link(draft, path)
        finally:
            draft.unlink()
    return path.read_bytes()


def private_folder(folder: Path) -> None:
    """Creates the folder, and removes the access that other users of the machine have to it.

    Raises:
        OSError: it cannot be created.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = folder.stat()
    if found.st_uid == os.geteuid() and stat.S_IMODE(found.st_mode) & 0o077:
        folder.chmod(0o700)
