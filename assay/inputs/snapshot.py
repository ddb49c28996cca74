"""Creates a snapshot from a source: reads, validates, writes and counts every row once."""

from __future__ import annotations

import errno
import hashlib
import hmac
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from assay.errors import UsageError, is_disk_error
from assay.inputs.canonical import BadId, Unwritable, canonical_json, record_id_of
from assay.inputs.expectations import CHUNK_ROWS, Suite
from assay.inputs.manifest import (
    PARTIAL_SUFFIX,
    REJECTED,
    ROWS,
    Lifetime,
    Manifest,
    ManifestHash,
    described_rules,
    file_hash,
    private_file,
    write_manifest,
)
from assay.inputs.raw_rows import RawRow, Source
from assay.inputs.rejections import CANDIDATES, IDS, RowRejection, write_rejected
from assay.inputs.rules import InputRules, require_columns
from assay.inputs.stored import InputSnapshot, RejectedRow, SnapshotRow, open_snapshot, purge_expired, verify
from assay.inputs.tables import CANDIDATE_COLUMNS, ID_COLUMNS, ROW_COLUMNS, TURN_COLUMNS, TableWriter
from assay.inputs.turns import BadPlace, TurnColumns, group_of, place_of
from assay.records.statuses import RejectionReason

__all__ = [
    "InputSnapshot",
    "Lifetime",
    "RejectedRow",
    "SnapshotRow",
    "open_snapshot",
    "purge_expired",
    "spool",
    "verify",
]

CHUNK_BYTES = 32_000_000
FORBIDDEN = (errno.EACCES, errno.EPERM)


def spool(
    source: Source,
    rules: InputRules,
    *,
    directory: Path,
    hash_key: bytes,
    report: Callable[[int], None],
    lifetime: Lifetime | None = None,
) -> InputSnapshot:
    """Creates a complete snapshot of `source` in `directory`: each row is a record or is rejected for one reason.

    `report` is called with the number of rows read so far. `lifetime` defaults to 30 days from now. Memory use is
    independent of the number of rows. If spooling fails or is killed, `directory` is not created.

    Raises:
        UsageError: `directory` exists, a column is missing, the input has no rows or cannot be read as a whole, an
            expectation is invalid, or the disk is full.
    """
    lifetime = lifetime or Lifetime.of_days()
    require_columns(source.columns(), rules, label=source.label)
    suite = Suite(rules.expectations) if rules.expectations else None
    with _partial(directory) as partial:
        fingerprint = source.fingerprint()
        rows_read, manifest_hash = _write_rows(source, _Pass(rules, rules.columns(), suite, hash_key), partial, report)
        rejected = write_rejected(partial, rules)
        manifest = Manifest(
            manifest_hash=manifest_hash,
            rows_read=rows_read,
            records=rows_read - sum(rejected.values()),
            rejected_by_reason=rejected,
            source_label=source.label,
            fingerprint=fingerprint,
            lifetime=lifetime,
            files={name: file_hash(partial / name) for name in (ROWS, REJECTED)},
            rules=described_rules(rules),
        )
        write_manifest(partial, manifest)
    return open_snapshot(directory, now=lifetime.created_at)


@dataclass(frozen=True, slots=True)
class _Pass:
    """Inputs of row validation: rules, columns, expectation suite and hash key."""

    rules: InputRules
    columns: tuple[str, ...]
    suite: Suite | None
    hash_key: bytes


@dataclass(frozen=True, slots=True)
class _CheckedRow:
    """A validated row as it is written; `row` is None only if it could not be read, for `written_reason`."""

    position: int
    record_id: str | None
    row: str | None
    written_reason: str | None
    rejection: RowRejection | None
    raw_hash: str
    suite_values: tuple[object, ...]
    conversation: str | None
    turn: int | None

    @property
    def place(self) -> str | None:
        """Turn and conversation as one string, which must be unique among the rows; None outside conversations."""
        return None if self.turn is None else f"{self.turn} {self.conversation}"


def _write_rows(source: Source, checks: _Pass, partial: Path, report: Callable[[int], None]) -> tuple[int, str]:
    """Writes rows, ids and the first rejection candidates; returns the number of rows and their manifest hash."""
    manifest_hash, rows_read = ManifestHash(), 0
    with_turns = checks.rules.conversation is not None
    with (
        private_file(partial / ROWS) as rows_path,
        TableWriter(rows_path, (*ROW_COLUMNS, *TURN_COLUMNS) if with_turns else ROW_COLUMNS) as rows,
        TableWriter(partial / IDS, ID_COLUMNS) as ids,
        TableWriter(partial / CANDIDATES, CANDIDATE_COLUMNS) as candidates,
    ):
        for chunk in _chunks(source.rows(max_cell_bytes=checks.rules.max_cell_bytes), checks):
            for row in chunk:
                manifest_hash.add(row.record_id, row.row, row.written_reason)
            rows.write([_written(row, with_turns=with_turns) for row in chunk])
            sound = [row for row in chunk if row.rejection is None]
            ids.write([(row.position, row.record_id, row.raw_hash, row.place) for row in sound])
            candidates.write(
                [row.rejection.candidate(row.position, row.record_id, row.raw_hash) for row in chunk if row.rejection]
            )
            candidates.write(list(_not_allowed(sound, checks.suite)))
            rows_read += len(chunk)
            report(rows_read)
    return rows_read, manifest_hash.hexdigest()


def _written(row: _CheckedRow, *, with_turns: bool) -> tuple[object, ...]:
    plain = (row.position, row.record_id, row.row, row.written_reason)
    return (*plain, row.conversation, row.turn) if with_turns else plain


def _chunks(rows: Iterator[RawRow], checks: _Pass) -> Iterator[list[_CheckedRow]]:
    """Validated rows in chunks of at most 20,000 rows and about 32 MB."""
    chunk: list[_CheckedRow] = []
    chunk_bytes = 0
    for raw in rows:
        chunk.append(_checked(raw, checks))
        chunk_bytes += len(raw.raw)
        if len(chunk) >= CHUNK_ROWS or chunk_bytes >= CHUNK_BYTES:
            yield chunk
            chunk, chunk_bytes = [], 0
    if chunk:
        yield chunk


def _checked(raw: RawRow, checks: _Pass) -> _CheckedRow:
    """The validated row with its first rejection, in this order of checks: source, JSON form, record id, turn."""
    rules = checks.rules
    cells = _completed(raw.cells, checks.columns) if raw.cells is not None else {}
    record_id, id_rejection = _identified(cells, rules.record_id)
    rejection = RowRejection.of_source(raw.reason, raw.column, raw.explanation or "") if raw.reason else None
    row: str | None = None
    if rejection is None:
        try:
            row = canonical_json(cells).decode()
        except Unwritable as error:
            rejection = RowRejection.of_source(RejectionReason.UNREADABLE_ROW, None, str(error))
    conversation, turn, place_rejection = _placed(cells, rules.conversation, record_id)
    written = f"{rejection.reason} sha256:{hashlib.sha256(raw.raw).hexdigest()}" if rejection else None
    return _CheckedRow(
        position=raw.position,
        record_id=record_id,
        row=row,
        written_reason=written,
        rejection=rejection or id_rejection or place_rejection,
        raw_hash=hmac.digest(checks.hash_key, raw.raw, "sha256").hex(),
        suite_values=tuple(cells.get(column) for column in checks.suite.columns) if checks.suite else (),
        conversation=conversation,
        turn=turn,
    )


def _completed(cells: dict[str, object], columns: tuple[str, ...]) -> dict[str, object]:
    """The cells, with null for a column of the task that a JSON line omits."""
    absent = [column for column in columns if column not in cells]
    return {**cells, **dict.fromkeys(absent)} if absent else cells


def _identified(cells: dict[str, object], column: str) -> tuple[str | None, RowRejection | None]:
    try:
        record_id = record_id_of(cells.get(column))
    except BadId as error:
        return None, RowRejection.of_id(RejectionReason.VALUE_NOT_ALLOWED, column, str(error))
    if record_id is None:
        return None, RowRejection.of_id(
            RejectionReason.MISSING_ID, column, f"expected a record id in column {column!r}, found none"
        )
    return record_id, None


def _placed(
    cells: dict[str, object], columns: TurnColumns | None, record_id: str | None
) -> tuple[str | None, int | None, RowRejection | None]:
    """The row's conversation and turn, or their rejection; a row outside conversations has no turn."""
    if columns is None or record_id is None:
        return None, None, None
    try:
        place = place_of(cells, columns)
    except BadPlace as error:
        return None, None, RowRejection.of_place(error)
    group = group_of(place, cells, columns=columns, record_id=record_id)
    return group, place.turn if place is not None else None, None


def _not_allowed(rows: list[_CheckedRow], suite: Suite | None) -> Iterator[tuple[object, ...]]:
    """Yields a rejection candidate for each row that violates an expectation."""
    if suite is None or not rows:
        return
    cells = {column: [row.suite_values[index] for row in rows] for index, column in enumerate(suite.columns)}
    for violation in suite.violations(cells):
        row = rows[violation.index]
        yield RowRejection.of_value(violation.column, violation.explanation).candidate(
            row.position, row.record_id, row.raw_hash
        )


@contextmanager
def _partial(directory: Path) -> Iterator[Path]:
    """A folder next to `directory` that is renamed to `directory` at the end, or deleted on failure."""
    if directory.exists():
        raise UsageError(f"Input snapshot {directory} already exists; a snapshot is never overwritten.")
    partial = directory.with_name(f".{directory.name}.{secrets.token_hex(4)}{PARTIAL_SUFFIX}")
    try:
        directory.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        partial.mkdir(mode=0o700)
        yield partial
        partial.rename(directory)
    except OSError as error:
        if not is_disk_error(error) and error.errno not in FORBIDDEN:
            raise
        raise UsageError(
            f"Input snapshot {directory} cannot be written: {error.strerror}",
            next_step="free space or fix permissions.",
        ) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
