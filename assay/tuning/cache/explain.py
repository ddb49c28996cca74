"""Explains why the request for a record would hit or miss the exact cache if it were sent now.

The request is rendered from the record's latest landed input, as in a run, and compared with the last cached request.
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
    """The result of a cache lookup."""

    HIT = "hit"
    MISS = "miss"


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteExplanation:
    """The lookup result of one route, with its reason as a sentence.

    `changed` lists the parts of the key in which the request differs from the record's latest cached request.
    `changed_before` lists those in which that request differed from its predecessor, so that it was a paid call.
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
    """Returns one explanation for each route of the task.

    Raises:
        UsageError: the task has no exact cache, its records are turns of conversations, or the record was never landed.
    """
    spec = task.spec.cache.exact
    if task.spec.input.conversation is not None:
        raise UsageError(
            f"The cache of task '{task.name}' cannot be explained: its records are turns of conversations, whose requests "
            "depend on earlier predictions of the run",
            next_step="see the table `contents` for the messages of each call.",
        )
    if spec is None:
        raise UsageError(
            f"tasks/{task.name}/task.yml has no `cache.exact`, so no response is cached",
            next_step="add it, for example `cache: {exact: {ttl: 7 days}}`.",
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
    """Returns the lookup result for this request body, with its reason."""
    found = await cache.find(request, body, lane=lane)
    trace = await cache.trace(request, lane)
    before = tuple(sorted(trace.before or ())) if trace is not None else ()
    if found is not None:
        reason = "the response to the same request is cached and has not expired"
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
        return "no response for this record is cached: none was stored, it expired long ago, or the response of another record was reused"
    stored = f"the response of {datetime.fromtimestamp(trace.stored_at, UTC):%Y-%m-%d %H:%M} UTC"
    if changed:
        return f"these parts of the request have changed since {stored}: {', '.join(changed)}"
    if trace.has_expired:
        return f"{stored} expired at {datetime.fromtimestamp(trace.expires_at, UTC):%Y-%m-%d %H:%M} UTC"
    if trace.response_model != model:
        return (
            f"the response came from {trace.response_model}, but the provider now serves this model name with {model}"
        )
    return f"{stored} is no longer stored: its TTL was shortened, it was erased, or the cache file was recreated"


def _differing(trace: Trace, parts: dict[str, str]) -> Iterator[str]:
    for name in trace.parts.keys() | parts.keys():
        if trace.parts.get(name) != parts.get(name):
            yield name


def _request(warehouse: Warehouse, task: Task, record_id: str, *, epoch: int) -> Request:
    parameters = {"task": task.name, "record_id": record_id}
    row = next(iter(warehouse.stream(LATEST_RECORD.sql, parameters)), None)
    if row is None:
        raise UsageError(
            f"Record '{record_id}' of task '{task.name}' is not in {warehouse.landing}.records",
            next_step="check the id; it must be that of a record from an earlier run.",
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
