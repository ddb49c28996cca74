"""The conversations of a run: turns of one conversation are requested in order, many conversations in parallel."""

from __future__ import annotations

import asyncio
import logging
import shutil
from collections.abc import Awaitable, Callable, Generator, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from assay.inference.conversations.file_store import FileStore
from assay.inference.conversations.history import History, answer_text
from assay.inference.conversations.protocol import ConversationId, ConversationStore, PastTurn
from assay.inference.conversations.redis_store import ConversationScope, RedisConversations
from assay.inference.prompts import PromptFailed, PromptRenderer
from assay.inference.request import Request, RequestResult
from assay.inputs.turn_order import turn_pieces
from assay.records.statuses import RunPurpose
from assay.runs.masked_records import MaskedRecord
from assay.runs.requests.previous_turns import PreviousAnswer, PreviousTurns
from assay.runs.requests.requests import RunRequests, first_of
from assay.runs.run import Run
from assay.settings import Settings
from assay.tasks.spec import ConversationSpec

SCORING = RunPurpose.SCORE
"""The purpose of runs whose predictions become history; others (evaluations, canaries) only read it."""
FOLDER, SPILL, TURNS = "conversations", "spill", "turns.sqlite"
LOG = logging.getLogger(__name__)

Settle = Callable[[Request | RequestResult], Awaitable[RequestResult | None]]
"""Sends the request of a turn and lands its rows; returns None if the run cannot continue."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """Consecutive turns of one conversation, for one worker; `is_last` if no turns follow in the run."""

    talk: ConversationId
    turns: tuple[MaskedRecord, ...]
    is_last: bool


@dataclass
class Conversations:
    """The conversations in one worker's share of a run; the store `shared` outlives the run."""

    requests: RunRequests
    spec: ConversationSpec
    prompts: PromptRenderer
    folder: Path
    known: PreviousTurns
    kept: FileStore
    shared: ConversationStore | None
    _under_way: dict[ConversationId, asyncio.Event] = field(default_factory=dict)
    _exchanges: Generator[Exchange] | None = None

    @property
    def run(self) -> Run:
        """The run of these conversations."""
        return self.requests.run

    def recall(self) -> None:
        """Loads the turns of the conversations that are in the warehouse; call it before the first turn.

        Raises:
            ServiceUnreachable: the warehouse does not respond.
        """
        self.known.fill()
        if not self.run.is_golden:
            self.known.fill_earlier(self.kept, self.spec, self.prompts)

    def exchanges(self) -> Iterator[Exchange]:
        """Yields the conversations of the worker's shard in pieces; the first pieces of all conversations come first."""
        self._exchanges = self._pieces()
        return self._exchanges

    def _pieces(self) -> Generator[Exchange]:
        for piece in turn_pieces(self.run.snapshot, scratch=self.folder / SPILL):
            masked = (self.requests.guard.masked(row) for row in piece.rows)
            turns = tuple(record for record in masked if isinstance(record, MaskedRecord))
            key = (turns[0].conversation_key or turns[0].record_id) if turns else ""
            if not turns or not self.requests.shard.holds(key):
                continue
            for epoch in range(self.run.options.epochs):
                yield Exchange(ConversationId(key, epoch), turns, piece.is_last)

    async def process(self, exchange: Exchange, settle: Settle, *, halted: Callable[[], bool]) -> None:
        """Processes the turns in order, after the earlier pieces of their conversation.

        Ends early if the run is `halted` or cannot continue: a turn is never requested while an earlier turn lacks
        its prediction.
        """
        before, over = self._under_way.get(exchange.talk), asyncio.Event()
        self._under_way[exchange.talk] = over
        try:
            if before is not None:
                await before.wait()
            await self._process(exchange, settle, halted)
        finally:
            over.set()
            if self._under_way.get(exchange.talk) is over:
                del self._under_way[exchange.talk]

    async def close(self) -> None:
        """Closes connections and deletes the worker's files."""
        if self._exchanges is not None:
            self._exchanges.close()
        self.known.close()
        await self.kept.close()
        if self.shared is not None:
            await self.shared.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    async def _process(self, exchange: Exchange, settle: Settle, halted: Callable[[], bool]) -> None:
        talk = exchange.talk
        history = await self._history(talk)
        for record in exchange.turns:
            if halted():
                return
            answer = self.known.answered(record.position, talk.epoch)
            is_new = answer is None
            if answer is None:
                answered = await settle(self._request_of(record, talk.epoch, history))
                if answered is None or answered.prediction is None:
                    return
                answer = PreviousAnswer(answered.prediction.output, answered.prediction.finished_at.timestamp())
            if (turn := self._past(record, answer)) is not None:
                history.add(turn)
                await self._keep(exchange, turn, is_new=is_new)
        if exchange.is_last:
            self.kept.forget(talk)

    async def _history(self, talk: ConversationId) -> History:
        """Returns the turns of the conversation from this run and earlier ones that are within the TTL."""
        shared = await self.shared.load(talk) if self.shared is not None else ()
        since = datetime.now(UTC).timestamp() - self.spec.ttl_s
        kept = await self.kept.load(talk)
        return History((turn for turn in (*shared, *kept) if turn.answered_at >= since), keep=self.spec.keep)

    def _request_of(self, record: MaskedRecord, epoch: int, history: History) -> Request | RequestResult:
        turns = history.before(record.turn) if record.turn is not None else []
        request = self.requests.request(record, epoch, history=turns)
        earlier = self.known.earlier(request.key)
        if earlier is None:
            return request
        request = replace(request, first=first_of(earlier))
        return self.requests.reused(request, earlier) if earlier["is_answered"] else request

    def _past(self, record: MaskedRecord, answer: PreviousAnswer) -> PastTurn | None:
        """Returns the turn as it appears in the history of later turns; None for a record outside conversations."""
        if record.turn is None:
            return None
        question = response = ""
        if answer.output is not None:
            with suppress(PromptFailed):  # the prediction is the fallback value: no call was made
                question = self.prompts.messages(record.fields)[-1]["content"]
                response = answer_text(answer.output, self.run.task.output_model)
        return PastTurn(number=record.turn, question=question, answer=response, answered_at=answer.answered_at)

    async def _keep(self, exchange: Exchange, turn: PastTurn, *, is_new: bool) -> None:
        if not exchange.is_last:
            await self.kept.append(exchange.talk, turn)
        if turn.answer and is_new and self.shared is not None and self.run.purpose == SCORING:
            await self.shared.append(exchange.talk, turn)


def open_conversations(requests: RunRequests, spec: ConversationSpec, prompts: PromptRenderer) -> Conversations:
    """Opens the conversations in the worker's share of the run, whose rows are turns."""
    run, context = requests.run, requests.context
    folder = context.snapshot_dir(run.run_id) / FOLDER / str(requests.shard)
    shutil.rmtree(folder, ignore_errors=True)  # left by a killed worker; the journal's lock keeps other processes out
    folder.mkdir(parents=True, mode=0o700)
    return Conversations(
        requests=requests,
        spec=spec,
        prompts=prompts,
        folder=folder,
        known=PreviousTurns(context, run, folder=folder),
        kept=FileStore(folder / TURNS),
        shared=_shared(context.settings, run, spec) if not run.is_golden else None,
    )


def _shared(settings: Settings, run: Run, spec: ConversationSpec) -> ConversationStore | None:
    """Opens the Redis store if several machines share it; otherwise returns None."""
    if settings.redis_url is None:
        return None
    scope = ConversationScope(
        project=settings.project,
        env=settings.env,
        task=run.task.name,
        inference_version=run.facts.inference_version,
        keep=spec.keep,
        ttl_s=spec.ttl_s,
    )
    return RedisConversations(settings.redis_url, scope, hash_key=settings.hash_key, warn=LOG.warning)
