"""Key of all hashes of personal values: a secret from the environment, or a random key of the project."""

from __future__ import annotations

import errno
from collections.abc import Mapping
from pathlib import Path

from assay.errors import UsageError
from assay.settings.secret_file import secret_file

KEY_BYTES = 32


def hash_key(env: Mapping[str, str], root: Path, *, required: bool) -> bytes:
    """The configured key, or the project's own key, which is created on first use.

    Raises:
        UsageError: a key is required but not set, the key is too short, or its file cannot be read or created.
    """
    if stated := env.get("ASSAY_HASH_KEY"):
        if len(stated) < KEY_BYTES:
            raise UsageError(
                f"ASSAY_HASH_KEY has {len(stated)} characters: expected at least {KEY_BYTES}",
                next_step="use the secret's full value.",
            )
        return stated.encode()
    if required:
        raise UsageError(
            "ASSAY_HASH_KEY is not set; in prod it is required, because it is the key for all hashes",
            next_step="set it from your secret manager.",
        )
    path = root / ".assay" / "hash_key"
    try:
        key = secret_file(path)
    except OSError as error:
        raise UsageError(
            f"{path} cannot be read or created: {error.strerror}",
            next_step=f"{fix_of(path, error)}, or set ASSAY_HASH_KEY.",
        ) from error
    if len(key) < KEY_BYTES:
        raise UsageError(
            f"{path} has {len(key)} bytes: expected at least {KEY_BYTES}",
            next_step="restore it from a backup, or remove it (new hashes will not match those of earlier runs).",
        )
    return key


def fix_of(path: Path, error: OSError) -> str:
    """Returns how to fix a secret's file that cannot be read or created."""
    if error.errno in (errno.EEXIST, errno.ENOTDIR, errno.EISDIR, errno.ELOOP):
        return f"a folder is expected at {path.parent} and a file in it: move away what is there"
    return "fix its permissions"
