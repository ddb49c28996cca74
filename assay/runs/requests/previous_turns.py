"""Turns that are in the warehouse: predictions of this run, predictions to reuse, and turns of earlier runs.

Turns are requested in the order of their conversations, which is not the order of the warehouse's results, so the rows
are stored in files of the worker; memory does not grow with their number.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
from pydantic import BaseModel

from assay.inference.conversations.file_store import FileStore, scratch_file
from assay.inference.conversations.history import answer_text
from assay.inference.conversations.protocol import ConversationId, PastTurn
from assay.inference.prompts import PromptFailed, PromptRenderer
from assay.project import StageContext
from assay.runs.chunks import chunks
from assay.runs.requests.queries import ANSWERED_TURNS, EARLIER_OUTCOMES_OF_TURNS, EARLIER_TURNS
from assay.runs.run import Run
from assay.tasks.spec import ConversationSpec

ROWS_AT_ONCE = 1_000
ANSWERS = "answers.sqlite"
ANSWERED_TABLE = "create table answered (position integer, epoch integer, output text, answered_at real)"
EARLIER = (
    "output",
    "status",
    "route",
    "call_id",
    "is_answered",
    "first_prediction_id",
    "first_status",
    "first_finished_at",
)
EARLIER_TABLE = """
create table earlier (
    request_key text, output text, status text, route text, call_id text,
    is_answered integer, first_prediction_id text, first_status text, first_finished_at text
)
"""
# Created after the rows, so that they are sorted once instead of on each insert.
INDEXES = (
    "create index answered_by_place on answered (position, epoch)",
    "create index earlier_by_key on earlier (request_key)",
)
FIND_ANSWERED = "select output, answered_at from answered where position = ? and epoch = ?"
FIND_EARLIER = """
select output, status, route, call_id, is_answered, first_prediction_id, first_status, first_finished_at
from earlier
where request_key = ?
"""
ADD_EARLIER = "insert into earlier values (?, ?, ?, ?, ?, ?, ?, ?, ?)"


@dataclass(frozen=True, slots=True)
class PreviousAnswer:
    """The result of a turn; `output` is None if the prediction has none."""

    output: str | None
    answered_at: float


class PreviousTurns:
    """Previous turns in one worker's files in `folder`; call `fill` before the first turn."""

    def __init__(self, context: StageContext, run: Run, *, folder: Path) -> None:
        self._context = context
        self._run = run
        self._file: sqlite3.Connection = scratch_file(folder / ANSWERS, ANSWERED_TABLE, EARLIER_TABLE)

    def fill(self) -> None:
        """Loads the predictions of this run, and those it may reuse.

        Raises:
            ServiceUnreachable: the warehouse does not respond.
        """
        warehouse, window = self._context.warehouse, self._run.window
        answered = warehouse.stream(ANSWERED_TURNS.sql, window)
        self._insert(
            "insert into answered values (?, ?, ?, ?)",
            ((row["position"], row["epoch"], _text(row["output"]), row["finished_at"].timestamp()) for row in answered),
        )
        since = self._run.reuse_since(datetime.now(UTC))
        if since is not None:
            parameters = {**window, **self._scope(), "since": since, "answer_statuses": self._run.answer_statuses}
            earlier = warehouse.stream(EARLIER_OUTCOMES_OF_TURNS.sql, parameters)
            self._insert(ADD_EARLIER, (_earlier_values(row) for row in earlier))
        for statement in INDEXES:
            self._file.execute(statement)

    def fill_earlier(self, store: FileStore, spec: ConversationSpec, prompts: PromptRenderer) -> None:
        """Loads into the store the turns of earlier runs of the conversations that this run continues.

        Raises:
            ServiceUnreachable: the warehouse does not respond.
        """
        since = datetime.now(UTC) - timedelta(seconds=spec.ttl_s)
        parameters = {**self._run.window, **self._scope(), "since": since, "keep": spec.keep}
        rows = self._context.warehouse.stream(EARLIER_TURNS.sql, parameters)
        for chunk in chunks(_past_turns(rows, prompts, self._run.task.output_model), ROWS_AT_ONCE):
            store.add(chunk)

    def answered(self, position: int, epoch: int) -> PreviousAnswer | None:
        """Returns the landed result of the record; None if it has no prediction yet."""
        found = self._file.execute(FIND_ANSWERED, (position, epoch)).fetchone()
        return PreviousAnswer(*found) if found is not None else None

    def earlier(self, request_key: str) -> dict[str, Any] | None:
        """Returns the outcome that an earlier run has for the same question after the same history; None without one."""
        found = self._file.execute(FIND_EARLIER, (request_key,)).fetchone()
        if found is None:
            return None
        row = dict(zip(EARLIER, found, strict=True))
        return {**row, "first_finished_at": datetime.fromisoformat(row["first_finished_at"])}

    def close(self) -> None:
        """Closes the files."""
        self._file.close()

    def _scope(self) -> dict[str, object]:
        return {"task": self._run.facts.task, "inference_version": self._run.facts.inference_version}

    def _insert(self, statement: str, rows: Iterator[tuple[Any, ...]]) -> None:
        self._file.execute("begin")
        self._file.executemany(statement, rows)
        self._file.execute("commit")


def _past_turns(
    rows: Iterator[dict[str, Any]], prompts: PromptRenderer, model: type[BaseModel]
) -> Iterator[tuple[ConversationId, PastTurn]]:
    """Yields the turns with their prompts and responses; rendering gives the original prompt, as versions are equal."""
    for row in rows:
        fields = orjson.loads(row["input"]) if isinstance(row["input"], str) else row["input"]
        try:
            question = prompts.messages(fields)[-1]["content"]
        except PromptFailed:  # its prediction is a fallback value: no call was made
            continue
        answer = answer_text(_text(row["output"]) or "", model)
        turn = PastTurn(
            number=row["turn"], question=question, answer=answer, answered_at=row["finished_at"].timestamp()
        )
        yield ConversationId(row["conversation_key"], row["epoch"]), turn


def _earlier_values(row: dict[str, Any]) -> tuple[Any, ...]:
    """Returns the row's values as the file stores them."""
    stored = {**row, "output": _text(row["output"]), "first_finished_at": row["first_finished_at"].isoformat()}
    return (row["request_key"], *(stored[name] for name in EARLIER))


def _text(output: Any) -> str | None:
    """Returns the JSON text of a landed output, which a warehouse may return parsed."""
    return output if output is None or isinstance(output, str) else orjson.dumps(output).decode()
