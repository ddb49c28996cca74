"""Secrets of a project that are created on first use, in files that only their owner can read.

Where others may write into the project's folder, they could put a secret or the folder of the state there first; so
both are accepted only from this process's user or from the owner of the project's folder (a container runs as root on
the files of a person).
"""

from __future__ import annotations

import os
import secrets
import stat
from contextlib import suppress
from pathlib import Path

from assay.errors import UsageError

SECRET_BYTES = 32
OTHERS = 0o077
KINDS = {stat.S_IFDIR: "a folder", stat.S_IFREG: "a regular file", stat.S_IFLNK: "a symbolic link"}
NOT_TRUSTED = "find out who made it; if it is yours, run `chown` on it, otherwise move it away."


def secret_file(path: Path) -> bytes:
    """Returns the secret in the file; a missing file is created, with `SECRET_BYTES` random bytes in hexadecimal.

    If several processes create it at once, the first wins, and none reads a partial secret.

    Raises:
        OSError: the file cannot be read or created.
        UsageError: the file is a link, or the file or its folder is of another user.
    """
    require_trusted_folder(path.parent)
    if not os.path.lexists(path):
        private_folder(path.parent)
        draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        with os.fdopen(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w", encoding="ascii") as file:
            file.write(secrets.token_hex(SECRET_BYTES))
        try:
            with suppress(FileExistsError):
                os.link(draft, path)
        finally:
            draft.unlink()
    return _trusted_bytes(path)


def private_folder(folder: Path) -> None:
    """Creates the folder, and removes the access that other users of the machine have to it.

    Raises:
        OSError: it cannot be created.
        UsageError: it is no folder, or of another user.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = _trusted_folder(folder)
    if _is_wide(found):
        folder.chmod(0o700)


def require_trusted_folder(folder: Path) -> None:
    """Ensures that a folder, if it exists, is of this user or of the owner of its parent, and is for its owner alone.

    Raises:
        OSError: it cannot be examined.
        UsageError: it is no folder, or of another user.
    """
    if os.path.lexists(folder):
        found = _trusted_folder(folder)
        if _is_wide(found):
            with suppress(OSError):  # a disk that is read-only or has no modes
                folder.chmod(0o700)


def _trusted_folder(folder: Path) -> os.stat_result:
    """The state of the folder; it may be a link, for example to a larger disk, if its owner is trusted as well."""
    found = folder.lstat()
    if stat.S_ISLNK(found.st_mode):
        _trusted(folder, found, stat.S_IFLNK, beside=folder.parent)
        if not folder.exists():
            raise UsageError(f"{folder} is a link to nowhere: expected a folder", next_step="move away what is there.")
        found = folder.stat()
    return _trusted(folder, found, stat.S_IFDIR, beside=folder.parent)


def _trusted_bytes(path: Path) -> bytes:
    """The content of what was examined, and not of what another user has put in its place since."""
    kind = stat.S_IFREG
    _trusted(path, path.lstat(), kind, beside=path.parent.parent)
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
        found = _trusted(path, os.fstat(file.fileno()), kind, beside=path.parent.parent)
        if _is_wide(found):
            with suppress(OSError):  # a disk that is read-only or has no modes
                os.fchmod(file.fileno(), 0o600)
        return file.read()


def _is_wide(found: os.stat_result) -> bool:
    return found.st_uid == os.geteuid() and bool(stat.S_IMODE(found.st_mode) & OTHERS)


def _trusted(path: Path, found: os.stat_result, kind: int, *, beside: Path) -> os.stat_result:
    """Returns `found`, the state of a file or folder of this `kind`; it may belong to the owner of `beside`."""
    if stat.S_IFMT(found.st_mode) != kind:
        what = KINDS.get(stat.S_IFMT(found.st_mode), "a device or socket")
        raise UsageError(f"{path} is {what}: expected {KINDS[kind]}", next_step="move away what is there.")
    owners = dict.fromkeys((os.geteuid(), beside.stat().st_uid))
    if found.st_uid not in owners:
        expected = " or ".join(_user(uid) for uid in owners)
        raise UsageError(f"{path} belongs to {_user(found.st_uid)}: expected {expected}", next_step=NOT_TRUSTED)
    return found


def _user(uid: int) -> str:
    import pwd

    try:
        return f"{pwd.getpwuid(uid).pw_name} (uid {uid})"
    except KeyError:
        return f"uid {uid}"
