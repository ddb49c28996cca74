"""What the warehouse knows about the turns of a run: answers of this run, answers to reuse, turns of earlier runs.

Turns are asked in the order of their conversations, in which no result of the warehouse comes, so its rows are kept in
files of the worker; memory does not grow with their number.
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
from assay.inference.conversations.protocol import PastTurn, Talk
from assay.inference.prompts import PromptFailed, PromptRenderer
from assay.project import StageContext
from assay.runs.chunks import chunks
from assay.runs.requests.queries import ANSWERED_TURNS, EARLIER_TURNS, REUSABLE_TURNS
from assay.runs.run import Run
from assay.tasks.spec import ConversationSpec

ROWS_AT_ONCE = 1_000
ANSWERS = "answers.sqlite"
ANSWERED_TABLE = "create table answered (position integer, epoch integer, output text, answered_at real)"
REUSABLE_TABLE = "create table reusable (request_key text, output text, status text, route text, call_id text)"
# Made when the rows are there, which sorts them once instead of finding a place for each.
INDEXES = (
    "create index answered_by_place on answered (position, epoch)",
    "create index reusable_by_key on reusable (request_key)",
)
FIND_ANSWERED = "select output, answered_at from answered where position = ? and epoch = ?"
FIND_REUSABLE = "select output, status, route, call_id from reusable where request_key = ?"
REUSED = ("output", "status", "route", "call_id")


@dataclass(frozen=True, slots=True)
class PreviousAnswer:
    """What became of a turn; `output` is None where it has no answer."""

    output: str | None
    answered_at: float


class PreviousTurns:
    """The files of one worker in `folder`; to be filled before a turn is asked."""

    def __init__(self, context: StageContext, run: Run, *, folder: Path) -> None:
        self._context = context
        self._run = run
        self._file: sqlite3.Connection = scratch_file(folder / ANSWERS, ANSWERED_TABLE, REUSABLE_TABLE)

    def fill(self) -> None:
        """Answers of this run, and those it may reuse, are found from now on.

        Raises:
            Unreachable: the warehouse does not answer.
        """
        warehouse, window = self._context.warehouse, self._run.window
        answered = warehouse.stream(ANSWERED_TURNS.sql, window)
        self._insert(
            "insert into answered values (?, ?, ?, ?)",
            ((row["position"], row["epoch"], _text(row["output"]), row["finished_at"].timestamp()) for row in answered),
        )
        since = self._run.reuse_since(datetime.now(UTC))
        if since is not None:
            reusable = warehouse.stream(REUSABLE_TURNS.sql, {**window, **self._scope(), "since": since})
            self._insert(
                "insert into reusable values (?, ?, ?, ?, ?)",
                ((row["request_key"], _text(row["output"]), *(row[name] for name in REUSED[1:])) for row in reusable),
            )
        for statement in INDEXES:
            self._file.execute(statement)

    def fill_earlier(self, store: FileStore, spec: ConversationSpec, prompts: PromptRenderer) -> None:
        """The store holds what earlier runs answered of the conversations that this run goes on with.

        Raises:
            Unreachable: the warehouse does not answer.
        """
        since = datetime.now(UTC) - timedelta(seconds=spec.ttl_s)
        parameters = {**self._run.window, **self._scope(), "since": since, "keep": spec.keep}
        rows = self._context.warehouse.stream(EARLIER_TURNS.sql, parameters)
        for chunk in chunks(_past_turns(rows, prompts, self._run.task.output_model), ROWS_AT_ONCE):
            store.add(chunk)

    def answered(self, position: int, epoch: int) -> PreviousAnswer | None:
        """What this run has landed for the record, None when it is still open."""
        found = self._file.execute(FIND_ANSWERED, (position, epoch)).fetchone()
        return PreviousAnswer(*found) if found is not None else None

    def reusable(self, request_key: str) -> dict[str, Any] | None:
        """An earlier answer to the same question after the same history, None when there is none."""
        found = self._file.execute(FIND_REUSABLE, (request_key,)).fetchone()
        return dict(zip(REUSED, found, strict=True)) if found is not None else None

    def close(self) -> None:
        """The files are let go."""
        self._file.close()

    def _scope(self) -> dict[str, object]:
        return {"task": self._run.facts.task, "inference_version": self._run.facts.inference_version}

    def _insert(self, statement: str, rows: Iterator[tuple[Any, ...]]) -> None:
        self._file.execute("begin")
        self._file.executemany(statement, rows)
        self._file.execute("commit")


def _past_turns(
    rows: Iterator[dict[str, Any]], prompts: PromptRenderer, model: type[BaseModel]
) -> Iterator[tuple[Talk, PastTurn]]:
    """The turns in the words they were asked and answered in: the prompts are those of their inference version."""
    for row in rows:
        fields = orjson.loads(row["input"]) if isinstance(row["input"], str) else row["input"]
        try:
            question = prompts.messages(fields)[-1]["content"]
        except PromptFailed:  # its answer is a fallback value: nothing was asked
            continue
        answer = answer_text(_text(row["output"]) or "", model)
        turn = PastTurn(
            number=row["turn"], question=question, answer=answer, answered_at=row["finished_at"].timestamp()
        )
        yield Talk(row["conversation_key"], row["epoch"]), turn


def _text(output: Any) -> str | None:
    """JSON text of a landed output, which a warehouse may give parsed."""
    return output if output is None or isinstance(output, str) else orjson.dumps(output).decode()
