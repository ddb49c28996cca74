"""Reports an unexpected exception: a message on stderr, and a log file with the traceback.

Neither contains the exception's text or local variables, because they may include a key or personal data.
"""

from __future__ import annotations

import errno
import os
import platform
import tempfile
import traceback
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import click

from assay.cli.opening import CONTINUE, open_settings
from assay.errors import printable
from assay.version import code_version

OWNER_ONLY = 0o600
NO_SPACE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
SAFE_FIELDS: dict[type[BaseException], tuple[str, ...]] = {
    AttributeError: ("name",),
    ImportError: ("name",),
    NameError: ("name",),
    OSError: ("errno", "strerror", "filename"),
    UnicodeError: ("encoding", "start"),
}
"""Attributes that are shown with an exception's type: names in code, and operating system errors about files."""


def report_crash(error: BaseException, context: click.Context | None = None) -> None:
    """Writes the message to stderr and the traceback to a log file, or to stderr if no log file can be written."""
    now = datetime.now(UTC)
    command = f"assay {(context and context.invoked_subcommand) or ''}".rstrip()
    versions = f"Assay {code_version()}, Python {platform.python_version()}"
    text = f"{command}, {versions}, {now:%Y-%m-%d %H:%M:%S} UTC\n{''.join(_chain(error, set()))}"
    log = _written(f"crash-{now:%Y%m%dT%H%M%S.%f}-{os.getpid()}.log", text)
    traceback_is = f"the traceback is in {log}." if log else "no log file could be written; the traceback follows."
    lines = [f"assay: {_headline(error)}; {traceback_is}"]
    if context is not None and CONTINUE in context.meta:
        lines.append(context.meta[CONTINUE])
    if log is None:
        lines.append(text)
    click.echo(printable("\n".join(lines)), err=True)


def _headline(error: BaseException) -> str:
    if isinstance(error, OSError) and error.strerror:
        advice = "free disk space" if error.errno in NO_SPACE else "check the path and its permissions"
        return f"{error.filename or 'system'}: {error.strerror}; {advice}"
    return f"unexpected {type(error).__name__}{_place(error)}: this is a bug in Assay; report it with the traceback"


def _place(error: BaseException) -> str:
    """Returns the innermost file and line of Assay's own code in the traceback."""
    package = Path(__file__).parents[1]
    places = [(Path(frame.filename), frame.lineno) for frame in traceback.extract_tb(error.__traceback__)]
    own = [(file.relative_to(package.parent), line) for file, line in places if file.is_relative_to(package)]
    return f" in {own[-1][0]}, line {own[-1][1]}" if own else ""


def _chain(error: BaseException, seen: set[int]) -> Iterator[str]:
    """Yields the tracebacks of the exception, its causes, and the exceptions in a group."""
    if id(error) in seen:
        return
    seen.add(id(error))
    earlier = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if earlier is not None:
        yield from _chain(earlier, seen)
        yield "\nwhich led to:\n\n"
    yield "Traceback (most recent call last):\n"
    yield from traceback.format_tb(error.__traceback__)
    yield f"{type(error).__module__}.{type(error).__qualname__}{_facts(error)}\n"
    for member in error.exceptions if isinstance(error, BaseExceptionGroup) else ():
        yield "\na member of the group:\n\n"
        yield from _chain(member, seen)


def _facts(error: BaseException) -> str:
    names = [name for kind, names in SAFE_FIELDS.items() if isinstance(error, kind) for name in names]
    stated = [f"{name}={value!r}" for name in names if (value := getattr(error, name, None)) is not None]
    return f" ({', '.join(stated)})" if stated else ""


def _written(name: str, text: str) -> Path | None:
    """Writes a log file, readable only by its owner, to the project's logs or the temporary folder; None if neither."""
    for folder in (_project_logs(), _temporary_files()):
        if folder is not None and _is_written(folder / name, text):
            return folder / name
    return None


def _is_written(path: Path, text: str) -> bool:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, OWNER_ONLY)
    except OSError:
        return False
    try:
        with os.fdopen(file, "w", encoding="utf-8", errors="backslashreplace") as log:
            log.write(text)
    except OSError:  # the disk is full, and an incomplete log would mislead
        path.unlink()
        return False
    return True


def _project_logs() -> Path | None:
    try:
        return open_settings().state_dir / "logs"
    except Exception:  # noqa: BLE001 - outside a project, or the settings caused the crash
        return None


def _temporary_files() -> Path | None:
    try:
        return Path(tempfile.gettempdir())
    except OSError:  # no temporary folder is writable
        return None
