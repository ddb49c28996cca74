"""The log of a run: one JSON line per event, containing only numbers and names.

A field that is not listed below, or whose text does not look like a name, is omitted; the line then lists its name under
`withheld`.
"""

from __future__ import annotations

import logging
import re
import sys
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from logging.handlers import RotatingFileHandler
from pathlib import Path

import orjson

from assay.inference.telemetry.protocol import Field

EVENTS: Mapping[str, tuple[str, ...]] = {
    "run_started": ("task", "variant", "stage", "purpose", "requests", "records", "rejected", "epochs", "trace_id"),
    "stage_started": ("stage", "shard"),
    "stage_ended": ("stage", "shard", "ms", "error_type"),
    "limit_changed": ("lane", "reason", "rpm", "tpm", "rate", "concurrency"),
    "lane_paused": ("lane", "paused_s"),
    "circuit_opened": ("route", "failures", "open_s"),
    "circuit_closed": ("route", "open_s"),
    "call_failed": (
        "lane",
        "route",
        "kind",
        "http_status",
        "attempt",
        "purpose",
        "retry_after_s",
        "call_id",
        "trace_id",
    ),
    "route_escalated": ("route", "reason", "trace_id"),
    "budget_reached": ("spent_usd", "cap_usd"),
    "batch_changed": ("batch_id", "lane", "state", "requests", "failed"),
    "flush": ("rows", "ms", "waiting", "error_type"),
    "spans_delivered": ("exported", "lost"),
    "run_stopped": ("status", "records", "predictions", "calls"),
    "run_finished": ("status", "records", "predictions", "calls", "ms"),
}
"""Fields of each event, in addition to `at`, `event`, `run_id`, `withheld` and `left_out`."""

NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._:/+-]{0,99}")
CONFIGURED = frozenset({"task", "variant", "lane", "route"})
"""Fields whose values come from the project's own files and may have any form, e.g. the model `@cf/meta/llama`."""
LINES_PER_SECOND = 100
"""Maximum number of lines per event and second; further ones are counted in the field `left_out` of the next line."""
FILE_BYTES, OLDER_FILES = 10_000_000, 2
SECONDS_PER_DAY = 86400


class RunLog:
    """Writes a run's log to a file of up to 10 MB, and keeps two older files; thread-safe."""

    def __init__(
        self, path: Path, run_id: str, *, clock: Callable[[], float] = time.time, file_bytes: int = FILE_BYTES
    ) -> None:
        self._file = _LogFile(path, file_bytes)
        self._run_id = run_id
        self._clock = clock
        self._second: dict[str, tuple[int, int]] = {}
        self._left_out: dict[str, int] = {}

    def emit(self, name: str, **fields: Field) -> None:
        """See `Events.emit`."""
        now, name = self._clock(), name if NAME.fullmatch(name) else "unnamed"
        second, count = self._second.get(name, (0, 0))
        count = count + 1 if second == int(now) else 1
        self._second[name] = (int(now), count)
        if count > LINES_PER_SECOND:
            self._left_out[name] = self._left_out.get(name, 0) + 1
            return
        line = {
            "at": datetime.fromtimestamp(now, UTC),
            "event": name,
            "run_id": self._run_id,
            **_allowed_fields(name, fields),
        }
        if left_out := self._left_out.pop(name, 0):
            line["left_out"] = left_out
        text = orjson.dumps(line, option=orjson.OPT_UTC_Z).decode()
        self._file.handle(logging.LogRecord("assay.run", logging.INFO, __file__, 0, text, None, None))

    def close(self) -> None:
        """Closes the file; what it could not store is reported as for a line."""
        try:
            self._file.close()
        except OSError as error:
            self._file.report(error)


class _LogFile(RotatingFileHandler):
    """A log file, created with its first line; the first error is reported on stderr, and the run continues."""

    def __init__(self, path: Path, file_bytes: int) -> None:
        self._is_reported = False
        super().__init__(path, maxBytes=file_bytes, backupCount=OLDER_FILES, encoding="utf-8", delay=True)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802  the base class names it
        """See `logging.Handler.handleError`."""
        self.report(sys.exc_info()[1])

    def report(self, error: BaseException | None) -> None:
        """Writes the first error to stderr."""
        if not self._is_reported:
            self._is_reported = True
            sys.stderr.write(
                f"assay: {self.baseFilename} cannot be written ({error}); events of the run are not logged.\n"
            )


def open_log(folder: Path, run_id: str, *, shard: int | None = None, keep_days: int = 30) -> RunLog:
    """Opens the log of the run in `folder`, one file per shard, and removes logs that are older than `keep_days` days.

    If the folder cannot be created or read, writing the first line reports the error.
    """
    part = "" if shard is None else f".shard-{shard}"
    oldest = time.time() - keep_days * SECONDS_PER_DAY
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for file in folder.glob("*.jsonl*"):
            if file.stat().st_mtime < oldest:
                file.unlink(missing_ok=True)
    except OSError:
        pass  # writing the log file raises the same error, which is reported then
    return RunLog(folder / f"{run_id}{part}.jsonl", run_id)


def _allowed_fields(name: str, fields: Mapping[str, Field]) -> dict[str, object]:
    """The event's fields, in the order of `EVENTS`, and the names of the withheld fields."""
    known = EVENTS.get(name, ())
    kept: dict[str, object] = {
        field: fields[field] for field in known if field in fields and _is_allowed(field, fields[field])
    }
    if withheld := sorted(fields.keys() - kept.keys()):
        kept["withheld"] = [field for field in withheld if NAME.fullmatch(field)]
    return kept


def _is_allowed(name: str, value: Field) -> bool:
    return name in CONFIGURED or not isinstance(value, str) or NAME.fullmatch(value) is not None
