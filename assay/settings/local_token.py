"""The token of the local stack: its servers answer only those who send it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from assay.errors import UsageError
from assay.settings.hash_key import fix_of
from assay.settings.secret_file import private_folder, require_trusted_folder, secret_file

TOKEN_VARIABLE = "ASSAY_LOCAL_TOKEN"
DBT_TOKEN_VARIABLE = "DBT_ENV_SECRET_LOCAL_TOKEN"
TOKEN_FILE = "local_token"
TOKEN = re.compile(r"[A-Za-z0-9_-]{32,256}")


def local_token(env: Mapping[str, str], root: Path) -> str:
    """The configured token, or the project's own; an empty string if the project's stack was never started.

    Raises:
        UsageError: the token is not valid, or its file cannot be read or is of another user.
    """
    path = root / ".assay" / TOKEN_FILE
    with _readable(path):
        require_trusted_folder(path.parent)  # also where the variables hold both secrets, for the rest of the state
        if stated := env.get(TOKEN_VARIABLE):
            return _valid(stated, TOKEN_VARIABLE)
        return _stated(path) if os.path.lexists(path) else ""


def create_local_token(root: Path, *, configured: str = "") -> str:
    """The configured token, or the project's own, created on first use; afterwards only its owner can enter the folder.

    Raises:
        UsageError: the token is not valid, or its file cannot be read or created.
    """
    path = root / ".assay" / TOKEN_FILE
    with _readable(path):
        private_folder(path.parent)
        return configured or _stated(path)


def _stated(path: Path) -> str:
    return _valid(secret_file(path).decode("ascii", errors="replace").strip(), str(path))


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UsageError(
            f"{path} cannot be read or created: {error.strerror}", next_step=f"{fix_of(path, error)}."
        ) from error


def required_token(env: Mapping[str, str]) -> str:
    """The token that a server of the stack requires, from the environment of its process.

    Raises:
        UsageError: it is not set; the server would be open to everyone on the machine.
    """
    if not (stated := env.get(TOKEN_VARIABLE)):
        raise UsageError(
            f"{TOKEN_VARIABLE} is not set; this server answers only those who send the token",
            next_step="start it with `assay up`.",
        )
    return _valid(stated, TOKEN_VARIABLE)


def _valid(token: str, where: str) -> str:
    if not TOKEN.fullmatch(token):
        # The value is not shown, because it is a secret.
        raise UsageError(
            f"{where} does not hold a valid token: expected 32 to 256 letters, digits, - or _",
            next_step="remove it, so that `assay up` creates a new one.",
        )
    return token
