"""The key of all hashes of personal values: a secret of the environment, else a random one of the project's own.

Part of `settings.py`, which reads the environment; nothing else needs it.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from assay.errors import UsageError

KEY_BYTES = 32


def hash_key(env: Mapping[str, str], root: Path, *, required: bool) -> bytes:
    """The key that is stated, else the project's own, made on first use.

    Raises:
        UsageError: a key is required and not stated, too short, or its file cannot be read or made.
    """
    if stated := env.get("ASSAY_HASH_KEY"):
        if len(stated) < KEY_BYTES:
            raise UsageError(
                f"ASSAY_HASH_KEY has {len(stated)} characters: expected at least {KEY_BYTES}; use the secret's full value."
            )
        return stated.encode()
    if required:
        raise UsageError(
            "ASSAY_HASH_KEY is not set: in prod every hash is keyed with a secret of yours; set it from your secret manager."
        )
    path = root / ".assay" / "hash_key"
    try:
        key = path.read_bytes() if path.exists() else _new_hash_key(path)
    except OSError as error:
        raise UsageError(
            f"{path} cannot be read or made: {error.strerror}; fix its permissions, or set ASSAY_HASH_KEY."
        ) from error
    if len(key) < KEY_BYTES:
        raise UsageError(
            f"{path} holds {len(key)} bytes: expected at least {KEY_BYTES}; put it back from a copy, "
            "or remove it (hashes of earlier runs are then not found again)."
        )
    return key


def _new_hash_key(path: Path) -> bytes:
    """A key of this project's own; of several processes that make one at a time, the first wins, and none sees half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".hash_key.{secrets.token_hex(4)}")
    with open(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w", encoding="ascii") as file:
        file.write(secrets.token_hex(KEY_BYTES))
    try:
        with suppress(FileExistsError):
            os.link(draft, path)
    finally:
        draft.unlink()
    return path.read_bytes()
