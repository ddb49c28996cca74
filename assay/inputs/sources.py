"""Opens the source of rows that the user names: a file, a table or a SQL query."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from datetime import date
from itertools import chain
from pathlib import Path

from assay.errors import UsageError
from assay.inputs.delimited import DelimitedFile
from assay.inputs.json_lines import JsonLinesFile
from assay.inputs.parquet_file import ParquetFile
from assay.inputs.raw_rows import RawRow, Source
from assay.inputs.values import raw_row
from assay.ports import QueryPort
from assay.warehouse.one_select import READING, SCRIPT, is_statement, require_select, statement_kind

__all__ = ["RawRow", "Source", "WarehouseSource", "open_source"]

SUFFIXES = (".csv", ".tsv", ".jsonl", ".ndjson", ".parquet")
OTHER_FILES = re.compile(
    r"\.(txt|json|xlsx?|ods|gz|zip|bz2|zst|avro|orc|xml|ya?ml|feather|arrow|pq|db|sqlite)$", re.IGNORECASE
)
INPUT = "SQL of the input"
GOLDEN = re.compile(r"golden(:(dev|gate))?")
"""Inputs that name the golden set of the task, or a split of it."""
TABLE = re.compile(r"([A-Za-z0-9][A-Za-z0-9:_-]*\.)?[A-Za-z0-9_]+\.[A-Za-z0-9_$-]+")
DATE_PARAMETER = re.compile(r"@data_date\b", re.IGNORECASE)
EXPECTED = f"a file ({', '.join(SUFFIXES)}), a table (project.dataset.table) or a SQL query (select ...)"


def source_issue(spec: str) -> str:
    """Returns what is expected in place of `spec`, whatever exists in the project folder; empty if it can name a source."""
    if _is_sql(spec):
        found = statement_kind(spec)
        return "" if found == READING else f"a single SELECT statement, not {found}"
    if GOLDEN.fullmatch(spec) or spec.lower().endswith(SUFFIXES):
        return ""
    is_file = OTHER_FILES.search(spec) or "/" in spec
    return "" if TABLE.fullmatch(spec) and not is_file else EXPECTED


def open_source(spec: str, *, root: Path, query: QueryPort | None, data_date: date) -> Source:
    """The source that `spec` names; its rows are not read yet.

    A file's path is relative to `root`. A query is a single SELECT, as for `assay query`; it may contain `@data_date`,
    which becomes a DATE parameter.

    Raises:
        UsageError: `spec` is not a file, table or query, the file is missing, empty or unreadable as a whole, the SQL is
            not a single SELECT, or a warehouse is needed and `query` is None.
    """
    path = root / spec
    if _is_file(path):
        return _open_file(path, label=_label(path, root=root))
    if _is_sql(spec):
        require_select(statement_kind(spec), what=INPUT)
        label = f"query:{hashlib.sha256(spec.strip().encode()).hexdigest()[:12]}"
        return StatedQuery(label, sql=spec, query=_needed(query, spec), data_date=data_date)
    if spec.lower().endswith(SUFFIXES) or OTHER_FILES.search(spec) or "/" in spec:
        raise _no_file(spec, path)
    if TABLE.fullmatch(spec):
        # A table name cannot be a query parameter; the pattern excludes characters that could end the quotes.
        return WarehouseSource(spec, sql=f"select * from `{spec}`", query=_needed(query, spec), data_date=data_date)  # noqa: S608 - see above
    raise UsageError(f"Input {spec!r} is not recognized: expected {EXPECTED}.")


class WarehouseSource(Source):
    """Rows of one SQL statement, in the warehouse's order.

    The statement runs once: the row that `columns` read is the first that `rows` yields.
    """

    def __init__(self, label: str, *, sql: str, query: QueryPort, data_date: date) -> None:
        super().__init__(label)
        self._sql = sql
        self._query = query
        self._parameters = {"data_date": data_date} if DATE_PARAMETER.search(sql) else {}
        self._peeked: tuple[dict[str, object] | None, Iterator[dict[str, object]]] | None = None

    def columns(self) -> tuple[str, ...]:
        """Names of the columns of the first row; empty if there are no rows."""
        if self._peeked is None:
            stream = self._run()
            self._peeked = next(stream, None), stream
        return tuple(self._peeked[0] or ())

    def fingerprint(self) -> str | None:
        """None: a warehouse has no bytes to hash."""
        return None

    def _read(self, max_cell_bytes: int) -> Iterator[RawRow]:
        for position, cells in enumerate(self._stream()):
            yield raw_row(position, cells, max_cell_bytes=max_cell_bytes)

    def _stream(self) -> Iterator[dict[str, object]]:
        if self._peeked is None:
            return self._run()
        (first, rest), self._peeked = self._peeked, None
        return rest if first is None else chain((first,), rest)

    def _run(self) -> Iterator[dict[str, object]]:
        return self._query.stream(self._sql, self._parameters)


class StatedQuery(WarehouseSource):
    """Rows of SQL that a person stated: the warehouse runs it only if it is a single SELECT."""

    def _run(self) -> Iterator[dict[str, object]]:
        return self._query.stream_select(self._sql, self._parameters, what=INPUT)


def _is_sql(spec: str) -> bool:
    """True for SQL of any kind; a name such as `load data.csv` is a file."""
    if not is_statement(spec):
        return False
    return statement_kind(spec) in (READING, SCRIPT) or not spec.lower().endswith(SUFFIXES)


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # SQL may be too long for a path, or contain characters that a path cannot
        return False


def _open_file(path: Path, *, label: str) -> Source:
    suffix = path.suffix.lower()
    if suffix == ".csv":
        return DelimitedFile(path, label=label, delimiter=",")
    if suffix == ".tsv":
        return DelimitedFile(path, label=label, delimiter="\t")
    if suffix in (".jsonl", ".ndjson"):
        return JsonLinesFile(path, label=label)
    if suffix == ".parquet":
        return ParquetFile(path, label=label)
    raise UsageError(
        f"{label} has the extension {suffix!r}: expected one of {', '.join(SUFFIXES)}", next_step="convert the file."
    )


def _label(path: Path, *, root: Path) -> str:
    resolved, base = path.resolve(), root.resolve()
    return resolved.relative_to(base).as_posix() if resolved.is_relative_to(base) else resolved.as_posix()


def _needed(query: QueryPort | None, spec: str) -> QueryPort:
    if query is None:
        raise UsageError(
            f"Input {spec!r} needs a warehouse, but none is configured", next_step="use a file, or start the warehouse."
        )
    return query


def _no_file(spec: str, path: Path) -> UsageError:
    if path.is_dir():
        return UsageError(f"Input {spec!r} is a folder: expected {EXPECTED}", next_step="pass one file in it.")
    entries = path.parent.iterdir() if path.parent.is_dir() else ()
    beside = sorted(entry.name for entry in entries if entry.suffix.lower() in SUFFIXES and entry.is_file())
    nearby = f"; files in that folder: {', '.join(beside[:5])}" if beside else ""
    return UsageError(
        f"Input file {spec!r} does not exist (looked for {path}): expected {EXPECTED}{nearby}",
        next_step="check the path.",
    )
