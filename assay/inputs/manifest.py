"""Manifest of a snapshot: its files, source, rules and lifetime."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self

import orjson

from assay.errors import UsageError
from assay.inputs.rules import InputRules

MANIFEST = "manifest.json"
ROWS = "rows.parquet"
REJECTED = "rejected.parquet"
PARTIAL_SUFFIX = ".partial"
FORMAT = 1
DEFAULT_DAYS = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Lifetime:
    """Creation and expiry time of a snapshot; both UTC."""

    created_at: datetime
    expires_at: datetime

    @classmethod
    def of_days(cls, days: int = DEFAULT_DAYS, *, now: datetime | None = None) -> Self:
        """A lifetime of `days` days from `now` (default: the current time)."""
        created_at = now or datetime.now(UTC)
        return cls(created_at=created_at, expires_at=created_at + timedelta(days=days))


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """Content of `manifest.json`; `files` maps a file's name to the SHA-256 of its bytes."""

    manifest_hash: str
    rows_read: int
    records: int
    rejected_by_reason: Mapping[str, int]
    source_label: str
    fingerprint: str | None
    lifetime: Lifetime
    files: Mapping[str, str]
    rules: Mapping[str, object]


PLAIN_FIELDS = tuple(field.name for field in fields(Manifest) if field.name != "lifetime")


class ManifestHash:
    """SHA-256 of all rows that a run reads, in order, each as a JSON line `[record_id, row, reason]`."""

    def __init__(self) -> None:
        self._digest = hashlib.sha256(b"assay snapshot 1\n")

    def add(self, record_id: str | None, row: str | None, reason: str | None) -> None:
        """Adds one row."""
        self._digest.update(orjson.dumps((record_id, row, reason), option=orjson.OPT_APPEND_NEWLINE))

    def hexdigest(self) -> str:
        """The hash of the rows so far, 64 hexadecimal digits."""
        return self._digest.hexdigest()


def write_manifest(directory: Path, manifest: Manifest) -> None:
    """Writes the manifest to `directory` durably and read-only."""
    content: dict[str, object] = {name: getattr(manifest, name) for name in PLAIN_FIELDS}
    content.update(asdict(manifest.lifetime), format=FORMAT)
    path = directory / MANIFEST
    with private_file(directory / f"{MANIFEST}{PARTIAL_SUFFIX}") as partial:
        partial.write_bytes(orjson.dumps(content, default=_as_json, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS))
    (directory / f"{MANIFEST}{PARTIAL_SUFFIX}").replace(path)


def read_manifest(directory: Path) -> Manifest:
    """The manifest of a complete snapshot.

    Raises:
        UsageError: the snapshot is missing, incomplete, damaged or of a different format.
    """
    path = directory / MANIFEST
    try:
        content = orjson.loads(path.read_bytes())
        if content["format"] != FORMAT:
            raise UsageError(
                f"Input snapshot {directory} has format {content['format']}: expected {FORMAT}",
                next_step="start a new run.",
            )
        return _manifest(content)
    except FileNotFoundError as error:
        state = f"is incomplete: {path.name} is missing" if directory.is_dir() else "does not exist"
        raise UsageError(f"Input snapshot {directory} {state}", next_step="start a new run.") from error
    except OSError as error:
        raise UsageError(
            f"Input snapshot {directory} cannot be read: {error.strerror}", next_step="check its permissions."
        ) from error
    except (ValueError, KeyError, TypeError) as error:
        raise UsageError(
            f"Input snapshot {directory} has a damaged {path.name}",
            next_step="start a new run.",
        ) from error


def described_rules(rules: InputRules) -> dict[str, object]:
    """The rules as stored in a manifest."""
    return {field.name: getattr(rules, field.name) for field in fields(rules)}


def file_hash(path: Path) -> str:
    """SHA-256 of the file's bytes as a hex digest."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def private_file(path: Path) -> Iterator[Path]:
    """Creates a file that only its owner can read and write; after the block it is flushed to disk and read-only."""
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    yield path
    descriptor = os.open(path, os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    path.chmod(0o400)


def _as_json(value: object) -> object:
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, set | frozenset):
        return sorted(value, key=str)
    return str(value)


def _manifest(content: Mapping[str, object]) -> Manifest:
    plain: dict[str, Any] = {name: content[name] for name in PLAIN_FIELDS}
    moments = {name: datetime.fromisoformat(str(content[name])) for name in ("created_at", "expires_at")}
    return Manifest(lifetime=Lifetime(**moments), **plain)
