"""Opens, streams, verifies and purges existing snapshots."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from assay.errors import UsageError, disk_errors
from assay.inputs.manifest import (
    DEFAULT_DAYS,
    MANIFEST,
    PARTIAL_SUFFIX,
    REJECTED,
    ROWS,
    Manifest,
    ManifestHash,
    file_hash,
    read_manifest,
)
from assay.performance.fast_init import quick_init
from assay.records.statuses import RejectionReason

if TYPE_CHECKING:
    import pyarrow as pa

READ_ROWS = 1_000
ABANDONED_AFTER = timedelta(days=1)
MARK = ".expired"
MARKED_FOR = timedelta(days=1)


@quick_init
@dataclass(frozen=True, slots=True)
class SnapshotRow:
    """One row that became a record; `cells` are its values as in JSON, with dates and decimals as text."""

    position: int
    record_id: str
    cells: dict[str, object]


@dataclass(frozen=True, slots=True)
class RejectedRow:
    """One rejected row, with its reason in `rejected_records`; `raw_hash` is a keyed hash."""

    position: int
    record_id: str | None
    reason: RejectionReason
    column_name: str | None
    explanation: str
    raw_hash: str


@dataclass(frozen=True, slots=True, kw_only=True)
class InputSnapshot:
    """An immutable copy of an input: rows_read = rows_rejected + record_count."""

    directory: Path
    manifest_hash: str
    rows_read: int
    rows_rejected: int
    record_count: int
    rejected_by_reason: Mapping[str, int]
    source_label: str
    fingerprint: str | None
    created_at: datetime
    expires_at: datetime

    def records(self, *, holds: Callable[[str], bool] | None = None) -> Iterator[SnapshotRow]:
        """Rows that became records, in order of position; memory use is independent of their number.

        With `holds`, yields only records whose id it accepts; the cells of the others are not parsed.

        Raises:
            UsageError: a file of the snapshot is missing or damaged.
        """
        rejected = (row["position"] for row in _stream(self.directory / REJECTED, ["position"]))
        next_rejected = next(rejected, None)
        for row in _stream(self.directory / ROWS, ["position", "record_id", "row"]):
            if row["position"] == next_rejected:
                next_rejected = next(rejected, None)
                continue
            if holds is not None and not holds(row["record_id"]):
                continue
            yield SnapshotRow(row["position"], row["record_id"], orjson.loads(row["row"]))

    def records_at(self, positions: Collection[int]) -> Iterator[SnapshotRow]:
        """The records at these positions, in order; other rows are not read."""
        rejected = {row["position"] for row in _stream(self.directory / REJECTED, ["position"], only=positions)}
        for row in _stream(self.directory / ROWS, ["position", "record_id", "row"], only=positions):
            if row["position"] not in rejected:
                yield SnapshotRow(row["position"], row["record_id"], orjson.loads(row["row"]))

    def rejected(self) -> Iterator[RejectedRow]:
        """Rejected rows, in order of position."""
        for row in _stream(self.directory / REJECTED, list(RejectedRow.__slots__)):
            yield RejectedRow(**row)


def open_snapshot(directory: Path, *, now: datetime | None = None) -> InputSnapshot:
    """The snapshot in `directory`, complete and not expired at `now` (default: the current time).

    Raises:
        UsageError: it is missing, incomplete, damaged or expired.
    """
    manifest = read_manifest(directory)
    if manifest.lifetime.expires_at <= (now or datetime.now(UTC)):
        raise UsageError(
            f"Input snapshot {directory} expired on {manifest.lifetime.expires_at:%Y-%m-%d %H:%M} UTC",
            next_step="start a new run.",
        )
    for name in manifest.files:
        if not (directory / name).is_file():
            raise UsageError(
                f"Input snapshot {directory} is incomplete: {name} is missing", next_step="start a new run."
            )
    return InputSnapshot(
        directory=directory,
        manifest_hash=manifest.manifest_hash,
        rows_read=manifest.rows_read,
        rows_rejected=manifest.rows_read - manifest.records,
        record_count=manifest.records,
        rejected_by_reason=dict(manifest.rejected_by_reason),
        source_label=manifest.source_label,
        fingerprint=manifest.fingerprint,
        created_at=manifest.lifetime.created_at,
        expires_at=manifest.lifetime.expires_at,
    )


def verify(snapshot: InputSnapshot, *, by_row: bool = True) -> None:
    """Checks that the snapshot's rows and rejections are unchanged; with `by_row`, also hashes each row again.

    Raises:
        UsageError: its manifest hash or a file differs, or a file cannot be read.
    """
    manifest = read_manifest(snapshot.directory)
    if by_row:
        _verify_rows(snapshot, manifest)
    for name, expected in manifest.files.items():
        if file_hash(snapshot.directory / name) != expected:
            raise UsageError(
                f"Input snapshot {snapshot.directory} was changed: {name} differs from the file that was written",
                next_step="start a new run.",
            )


def _verify_rows(snapshot: InputSnapshot, manifest: Manifest) -> None:
    found = ManifestHash()
    for row in _stream(snapshot.directory / ROWS, ["record_id", "row", "fault"]):
        found.add(row["record_id"], row["row"], row["fault"])
    if not found.hexdigest() == manifest.manifest_hash == snapshot.manifest_hash:
        raise UsageError(
            f"Input snapshot {snapshot.directory} was changed: expected manifest hash {snapshot.manifest_hash}, "
            f"found {found.hexdigest()} in its rows",
            next_step="start a new run.",
        )


def purge_expired(directory_of_snapshots: Path, now: datetime) -> int:
    """Deletes snapshots that expired by `now` and day-old partial snapshots of killed runs; returns their number.

    An expired snapshot is marked first and deleted a day later at the earliest, so that a clock that is wrong for a
    moment deletes nothing.
    """
    if not directory_of_snapshots.is_dir():
        return 0
    purged = 0
    folders = (entry for entry in directory_of_snapshots.iterdir() if entry.is_dir() and not entry.is_symlink())
    for folder in sorted(folders):
        with disk_errors("The snapshot", folder):
            if _is_abandoned(folder, now) or _is_marked(folder, now):
                _remove(folder)
                purged += 1
    return purged


def _stream(path: Path, columns: list[str], *, only: Collection[int] | None = None) -> Iterator[dict[str, Any]]:
    """Yields the rows of the file; if `only` is given, only those at these positions."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    places = None if only is None else pa.array(sorted(only), pa.int64())
    try:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=READ_ROWS, columns=columns):
                yield from (batch if places is None else _at(batch, places)).to_pylist()
    except (pa.ArrowException, OSError) as error:
        raise UsageError(
            f"Input snapshot {path.parent} cannot be read: {path.name} is missing or damaged ({type(error).__name__})",
            next_step="start a new run.",
        ) from error


def _at(batch: pa.RecordBatch, places: pa.Int64Array) -> pa.RecordBatch:
    import pyarrow.compute as pc  # slow to load, and rarely needed

    return batch.filter(pc.is_in(batch.column("position"), value_set=places))


def _is_expired(folder: Path, now: datetime) -> bool:
    page = folder / MANIFEST
    if not page.is_file():
        return False
    try:
        return read_manifest(folder).lifetime.expires_at <= now
    except UsageError:  # unreadable: it cannot be opened, so its age decides
        return datetime.fromtimestamp(page.stat().st_mtime, UTC) + timedelta(days=DEFAULT_DAYS) <= now


def _is_marked(folder: Path, now: datetime) -> bool:
    """True if the snapshot has been expired for a day, by a mark that is made when this is first seen."""
    mark = folder / MARK
    if not _is_expired(folder, now):
        if mark.exists():  # otherwise nothing is written, which a read-only disk would refuse
            mark.unlink(missing_ok=True)
        return False
    try:
        marked_at = datetime.fromtimestamp(mark.stat().st_mtime, UTC)
    except FileNotFoundError:
        marked_at = now
        mark.touch(mode=0o600)
        os.utime(mark, (now.timestamp(), now.timestamp()))
    if marked_at > now:  # the clock was ahead
        os.utime(mark, (now.timestamp(), now.timestamp()))
    return marked_at + MARKED_FOR <= now


def _is_abandoned(folder: Path, now: datetime) -> bool:
    """True for a partial snapshot that has not been written to for a day."""
    if not folder.name.endswith(PARTIAL_SUFFIX):
        return False
    newest = max(entry.stat().st_mtime for entry in (folder, *folder.rglob("*")))
    return datetime.fromtimestamp(newest, UTC) + ABANDONED_AFTER <= now


def _remove(folder: Path) -> None:
    # Renamed first, so that a killed purge leaves no snapshot that could be opened.
    doomed = folder if folder.name.endswith(PARTIAL_SUFFIX) else folder.with_name(f".{folder.name}{PARTIAL_SUFFIX}")
    folder.replace(doomed)
    shutil.rmtree(doomed)
