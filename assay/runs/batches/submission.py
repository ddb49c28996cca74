"""Sends the open requests of a run as batches, without losing or repeating any.

The intent is landed before a batch is sent. After a crash, an intended batch is looked up at its provider by its chunk
hash; only a batch that the provider does not have is sent.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import ROUND_CEILING, Decimal

from assay.inference.batch.chunk import Chunk, ChunkFile, names_of, read_names
from assay.inference.calls import BYTES_PER_TOKEN
from assay.inference.endpoint.batch_dialect import CustomId
from assay.inference.keys import new_id
from assay.inference.limits.tokens import OUTPUT_TOKENS_UNSTATED
from assay.inference.prices import PLACES
from assay.inference.prompts import PromptFailed
from assay.inference.providers import BatchLimits
from assay.inference.request import Request, RequestResult
from assay.inference.usage import TokenUsage
from assay.records import Batch
from assay.records.keys import RequestPlace
from assay.records.statuses import BatchState, CallPurpose
from assay.runs.batches.session import BatchSession, batches_of
from assay.runs.requests.answer_buffer import land_answers
from assay.runs.requests.requests import RunRequests
from assay.tasks.spec import RouteSpec
from assay.warehouse.landing import LandingWriter

REUSED_ROWS = 500
MANY = 1000
NEVER_SENT = "the provider has no such batch, and its file of requests is not on this machine"
BUDGET_USED_UP = "the budget no longer covers it"


def adopt(session: BatchSession) -> None:
    """Marks an intended batch as submitted if the provider has it: a process sent it but died before recording it."""
    for batch in _intended(session):
        if found := session.wait_for(session.api(batch.provider).find(batch.chunk_hash)):
            session.ledger.submitted(batch, found)


def settle_intents(session: BatchSession) -> None:
    """Resolves every intended batch: it is adopted, sent for the first time, or abandoned."""
    adopt(session)
    if not (left := _intended(session)):
        return
    session.wait_for(session.pause())
    adopt(session)
    still = {batch.chunk_hash for batch in _intended(session)}
    for batch in (batch for batch in left if batch.chunk_hash in still):
        if not (session.ledger.path(batch).is_file() and read_names(session.ledger.path(batch)) is not None):
            _abandon(session, batch, reason=NEVER_SENT)
            continue
        session.money.settle(
            batch, Decimal(0)
        )  # reserved again below: a cap may have been reached while no process worked on the batch
        if session.money.takes(batch.estimate_usd):
            _submit(session, batch)
        else:
            _abandon(session, batch, reason=BUDGET_USED_UP)


def _intended(session: BatchSession) -> list[Batch]:
    return [batch for batch in session.ledger.open() if batch.state == BatchState.INTENT]


def _submit(session: BatchSession, batch: Batch) -> None:
    """Reserves budget for the batch and submits it; abandons it if the budget does not cover it."""
    path = session.ledger.path(batch)
    if not session.money.pledge(batch):
        _abandon(session, batch, reason=BUDGET_USED_UP)
        return
    sent = session.wait_for(session.api(batch.provider).submit(path, chunk_hash=batch.chunk_hash, run_id=batch.run_id))
    session.ledger.submitted(batch, sent)
    path.unlink(missing_ok=True)  # its list of names stays until the batch is landed


def _abandon(session: BatchSession, batch: Batch, *, reason: str) -> None:
    session.ledger.abandoned(batch, reason=reason)
    session.money.settle(batch, Decimal(0))
    for path in (session.ledger.path(batch), names_of(session.ledger.path(batch))):
        path.unlink(missing_ok=True)


@dataclass
class Sender:
    """One pass over the open requests; with `again`, also those that got no response from a batch."""

    session: BatchSession
    again: bool = False
    _files: dict[tuple[str, str], tuple[ChunkFile, RouteSpec]] = field(default_factory=dict)
    _reused: list[RequestResult] = field(default_factory=list)
    _rates: dict[tuple[str, str], tuple[Decimal, Decimal] | None] = field(default_factory=dict)
    _is_full: bool = False

    def send_all(self) -> None:
        """Sends every open request that can be batched, within the budget and the provider's limits.

        Raises:
            ServiceUnreachable: the warehouse or the provider does not respond; a resume sends intended batches.
            UsageError: the provider rejects the batch.
        """
        try:
            for item in RunRequests(self.session.context, self.session.run, self.session.guard):
                self._take(item)
            for lane in list(self._files):
                self._send(lane)
        finally:
            for file, _ in self._files.values():
                file.discard()
            self._land_reused()

    def _take(self, item: Request | RequestResult) -> None:
        if isinstance(item, RequestResult):
            self._reused.append(item)
            if len(self._reused) >= REUSED_ROWS:
                self._land_reused()
        elif not self._is_full:
            self._add(item)

    def _add(self, request: Request) -> None:
        engine, place = self.session.engine, RequestPlace(request.position, request.epoch)
        routes = engine.router.routes(request.fields)
        if _is_cascade(routes) or self.session.ledger.holds(place, routes[0], ever=not self.again):
            return
        route, name = routes[0], CustomId(request.position, request.epoch, new_id())
        provider = self.session.context.providers[route.provider]
        if provider.batch is None:
            return
        try:
            messages = engine.calls.prompts.messages(request.fields, history=request.history)
            turn = engine.calls.turn(request, route, messages, purpose=CallPurpose.ANSWER)
        except PromptFailed:  # online it becomes a failed prediction with the reason
            return
        line, estimate = batches_of(provider).request_line(name, turn.body), self._estimate(route, len(turn.body))
        file = self._file(route, provider.batch, line)
        if file is None or not self._fits(estimate):
            return
        file.add(name, key=request.key, line=line, estimate_usd=estimate)

    def _file(self, route: RouteSpec, limits: BatchLimits, line: bytes) -> ChunkFile | None:
        """Returns a file of the route's provider and model with space for the line; None if the request is sent online."""
        lane = (route.provider, route.model)
        if len(line) > limits.max_file_bytes:
            return None
        if lane in self._files and not self._files[lane][0].takes(line):
            self._send(lane)
        if lane not in self._files:
            under_way = sum(provider == route.provider for provider, _ in self._files)
            if (
                limits.max_open is not None
                and self.session.ledger.open_at(route.provider) + under_way >= limits.max_open
            ):
                return None
            directory, run_id = self.session.ledger.directory, self.session.run.run_id
            file = ChunkFile(directory, run_id=run_id, lane=":".join(lane), limits=limits)
            self._files[lane] = (file, route)
        return self._files[lane][0]

    def _send(self, lane: tuple[str, str]) -> None:
        file, route = self._files.pop(lane)
        chunk: Chunk | None = file.close()
        if chunk is not None:
            _submit(self.session, self.session.ledger.intend(chunk, route))

    def _land_reused(self) -> None:
        land_answers(LandingWriter(self.session.context.warehouse), self._reused)
        self._reused.clear()

    def _fits(self, estimate_usd: Decimal | None) -> bool:
        self._is_full = not self.session.money.takes(estimate_usd)
        return not self._is_full

    def _estimate(self, route: RouteSpec, body_bytes: int) -> Decimal | None:
        """The maximum cost of a request at the batch tier: its bytes as input tokens, and the maximum output length."""
        lane = (route.provider, route.model)
        if lane not in self._rates:
            self._rates[lane] = self._rate(route)
        rates = self._rates[lane]
        if rates is None:
            return None
        return (rates[0] * (body_bytes // BYTES_PER_TOKEN) + rates[1]).quantize(PLACES, ROUND_CEILING)

    def _rate(self, route: RouteSpec) -> tuple[Decimal, Decimal] | None:
        prompts, prices = self.session.engine.calls.prompts, self.session.context.prices
        most = prompts.max_tokens or OUTPUT_TOKENS_UNSTATED
        input_usd, output_usd = (
            prices.price(
                usage, provider=route.provider, model=route.model, on=datetime.now(UTC).date(), is_batch=True
            ).usd
            for usage in (TokenUsage(MANY, 0, 0, 0, 0), TokenUsage(0, 0, 0, most, 0))
        )
        return None if input_usd is None or output_usd is None else (input_usd / MANY, output_usd)


def _is_cascade(routes: Sequence[RouteSpec]) -> bool:
    """True if a valid response of the first route may be discarded, so that the next route is called immediately."""
    escalate = routes[0].escalate
    return len(routes) > 1 and (bool(escalate.checks) or escalate.confidence is not None)
