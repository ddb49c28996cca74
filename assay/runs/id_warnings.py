"""What `assay check` says about the ids of a task before any run: those of golden cases and of an input file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from itertools import islice

from assay.errors import AssayError
from assay.guards.personal_ids import PersonalIds, warning_of_ids
from assay.inputs.canonical import BadId, record_id_of
from assay.inputs.sources import open_source
from assay.project import StageContext
from assay.runs.record_mapping import CASE_ID
from assay.tasks.task import Task

ROWS_READ = 1_000


def id_warnings(context: StageContext, task: Task) -> Iterator[str]:
    """Warnings about personal ids in the golden set and in the first 1,000 rows of an input file; no other input is read."""
    spec = task.spec.input
    if spec.has_derived_id:
        return
    found = (
        _warning((case.case_id for case in task.cases), CASE_ID),
        _warning(_ids_of_file(context, task), spec.id_columns[0]),
    )
    yield from filter(None, found)


def _warning(ids: Iterable[str], column: str) -> str | None:
    seen, read = PersonalIds(), list(ids)
    for record_id in read:
        seen.add(record_id)
    return warning_of_ids(seen, column, of=len(read))


def _ids_of_file(context: StageContext, task: Task) -> Iterator[str]:
    spec = task.spec.input
    path = context.settings.root / (spec.source or "")
    if spec.source is None or len(spec.source) > 255 or not path.is_file():
        return
    today = datetime.now(UTC).date()
    try:
        source = open_source(spec.source, root=context.settings.root, query=context.warehouse, data_date=today)
        for row in islice(source.rows(max_cell_bytes=spec.max_cell_bytes), ROWS_READ):
            record_id = _id(row.cells or {}, spec.id_columns[0])
            if record_id:
                yield record_id
    except AssayError:
        return  # `assay run` says why a file cannot be read


def _id(cells: dict[str, object], column: str) -> str | None:
    try:
        return record_id_of(cells.get(column))
    except BadId:
        return None
