"""Says why a record would be answered from the exact cache now, or why not.

It asks as a run would, from the record's latest landed input, and reads what the cache kept of the record before.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

import orjson

from assay.errors import UsageError
from assay.inference.caches.exact import ExactCache, Trace
from assay.inference.keys import request_key
from assay.inference.request import Request
from assay.project import StageContext, masker
from assay.runs.requests.cache import exact_cache
from assay.runs.requests.engine_factory import prompts_of
from assay.tasks.task import Task
from assay.tuning.queries import LATEST_RECORD
from assay.warehouse.client import Warehouse


class CacheVerdict(StrEnum):
    """What a cache would do."""

    HIT = "hit"
    MISS = "miss"


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteExplanation:
    """What the exact cache would do on one route; `reason` is a sentence.

    `changed` names the parts of the key that differ from those of the record's latest kept answer; `changed_before`
    those in which that one differed from the answer before it, which is why that answer was paid for.
    """

    route: str
    lane: str
    verdict: CacheVerdict
    reason: str
    call_id: str | None
    changed: tuple[str, ...] = ()
    changed_before: tuple[str, ...] = ()


def explain(
    context: StageContext, task: Task, record_id: str, *, epoch: int, warn: Callable[[str], None]
) -> list[RouteExplanation]:
    """One explanation for each route of the task.

    Raises:
        UsageError: the task has no exact cache, or no run has landed the record.
    """
    spec = task.spec.cache.exact
    if task.spec.input.conversation is not None:
        raise UsageError(
            f"The records of task '{task.name}' are turns of conversations: expected records whose request can be made "
            "again without the answers of a run",
            next_step="the messages of each call are in the table contents.",
        )
    if spec is None:
        raise UsageError(
            f"tasks/{task.name}/task.yml has no cache.exact: expected e.g. `cache: {{exact: {{ttl: 7 days}}}}`; "
            "without it nothing is kept."
        )
    request = _request(context.warehouse, task, record_id, epoch=epoch)
    cache = exact_cache(context.settings, task.name, spec, warn=warn)
    return asyncio.run(_explained(context, task, request, cache))


async def _explained(context: StageContext, task: Task, request: Request, cache: ExactCache) -> list[RouteExplanation]:
    guard = masker(task)
    prompts = prompts_of(context, task, mask=lambda fields: guard.mask(fields).texts)
    messages = orjson.dumps(prompts.messages(request.fields))
    try:
        return [
            await explain_route(
                cache, request, prompts.body(messages, route, request), route=route.name, lane=route.lane
            )
            for route in task.spec.routes
        ]
    finally:
        await cache.close()


async def explain_route(cache: ExactCache, request: Request, body: bytes, *, route: str, lane: str) -> RouteExplanation:
    """What the cache would do with this body, and why."""
    found = await cache.find(request, body, lane=lane)
    trace = await cache.trace(request, lane)
    before = tuple(sorted(trace.before or ())) if trace is not None else ()
    if found is not None:
        reason = "the same request was answered, and the answer has not expired"
        return RouteExplanation(
            route=route,
            lane=lane,
            verdict=CacheVerdict.HIT,
            reason=reason,
            call_id=found.call_id,
            changed_before=before,
        )
    parts = cache.parts(body)
    changed = tuple(sorted(_differing(trace, parts))) if trace is not None else ()
    reason = _why_missed(trace, changed, model=await cache.lane_model(lane))
    return RouteExplanation(
        route=route,
        lane=lane,
        verdict=CacheVerdict.MISS,
        reason=reason,
        call_id=trace.call_id if trace is not None else None,
        changed=changed,
        changed_before=before,
    )


def _why_missed(trace: Trace | None, changed: tuple[str, ...], *, model: str | None) -> str:
    if trace is None:
        return "no answer to this record is kept: none was stored, it expired long ago, or another record's answer served it"
    kept = datetime.fromtimestamp(trace.stored_at, UTC)
    if changed:
        return f"since the answer of {kept:%Y-%m-%d %H:%M} UTC these parts of the request changed: {', '.join(changed)}"
    if trace.has_expired:
        return f"the answer of {kept:%Y-%m-%d %H:%M} UTC expired at {datetime.fromtimestamp(trace.expires_at, UTC):%Y-%m-%d %H:%M} UTC"
    if trace.response_model != model:
        return f"the answer came from {trace.response_model}; {model} answers under the same name now"
    return f"the answer of {kept:%Y-%m-%d %H:%M} UTC is gone: its lifetime was shortened, it was erased, or the file was begun anew"


def _differing(trace: Trace, parts: dict[str, str]) -> Iterator[str]:
    for name in trace.parts.keys() | parts.keys():
        if trace.parts.get(name) != parts.get(name):
            yield name


def _request(warehouse: Warehouse, task: Task, record_id: str, *, epoch: int) -> Request:
    parameters = {"task": task.name, "record_id": record_id}
    row = next(iter(warehouse.stream(LATEST_RECORD.sql, parameters)), None)
    if row is None:
        raise UsageError(
            f"No record '{record_id}' of task '{task.name}' in {warehouse.landing}.records: expected the id of a "
            "record that a run has read",
            next_step="check the id.",
        )
    fields: dict[str, Any] = row["input"] if isinstance(row["input"], dict) else orjson.loads(row["input"])
    key = request_key(
        inference_version=task.versions.inference,
        record_id=record_id,
        input_hash=row["input_hash"],
        epoch=epoch,
        tenant_id=row["tenant_id"],
    )
    return Request(
        record_id=record_id,
        position=0,
        epoch=epoch,
        key=key,
        fields=fields,
        input_hash=row["input_hash"],
        tenant_id=row["tenant_id"],
        subject_key=row["subject_key"],
    )
