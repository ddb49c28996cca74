"""Exact cache: a response is reused if the request that would be sent is identical."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import orjson

from assay.inference.caches.key_value import CacheItem, CacheNote, KeyValue
from assay.inference.caches.keys import MAC_BYTES, CacheKeys
from assay.inference.caches.protocol import EXACT, CachedAnswer, PaidAnswer
from assay.inference.request import Request

LANE_SECONDS = 1.0
"""Seconds for which a process relies on the response model it knows of before it reads the store again."""
FOR_EVER_S = 3650 * 86_400.0
TRACES_OUTLIVE = 4
"""A trace is kept this number of times longer than its entry, so that an expired entry can still be explained."""
FRAMES_NOTED = 256
"""Maximum number of frames remembered as already written; beyond it, frames may be written again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExactPolicy:
    """Lifetime of responses; a run reuses only responses stored at or after `not_before`, in Unix seconds."""

    task: str
    ttl_s: float
    not_before: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """The request whose response was stored last for a record, as hashes of its parts.

    `before` contains the parts in which the previous request differed; None if no response to a different request is
    known.
    """

    key: bytes
    stored_at: float
    expires_at: float
    has_expired: bool
    call_id: str
    response_model: str | None
    parts: dict[str, str]
    before: dict[str, str] | None


class ExactCache:
    """Cached responses of one task to identical requests; `now` returns Unix seconds."""

    def __init__(
        self, store: KeyValue, keys: CacheKeys, *, policy: ExactPolicy, now: Callable[[], float] = time.time
    ) -> None:
        self._store = store
        self._keys = keys
        self._policy = policy
        self._now = now
        self._lanes: dict[str, tuple[str | None, float]] = {}
        self._noted_frames: set[str] = set()

    async def find(self, request: Request, body: bytes, *, lane: str) -> CachedAnswer | None:
        """See `AnswerCache.find`."""
        key = self._keys.entry(request, body, lane=lane)
        entry = self._opened(key, await self._store.get(key))
        if entry is None or not self._is_fresh(entry["t"]):
            return None
        known = self._lanes.get(lane)
        recent = known is not None and self._now() - known[1] < LANE_SECONDS
        if entry["m"] != (known[0] if known is not None and recent else await self._model_of(lane)):
            return None
        return CachedAnswer(
            output=entry["o"],
            route=entry["r"],
            call_id=entry["c"],
            response_model=entry["m"],
            source=EXACT,
            confidence=entry["f"],
        )

    async def store(self, request: Request, body: bytes, answer: PaidAnswer) -> None:
        """See `AnswerCache.store`; if the response model has changed, responses of the previous one are no longer found."""
        now = self._now()
        key, expires_at = self._keys.entry(request, body, lane=answer.lane), now + self._policy.ttl_s
        await self._note_model(answer.lane, answer.response_model, now)
        entry = {
            "o": answer.output,
            "r": answer.route,
            "c": answer.call_id,
            "m": answer.response_model,
            "t": now,
            "f": answer.confidence,
        }
        self._put(
            key, entry, expires_at=expires_at, tag=request.subject_key, note=self._note(request, body, answer, key, now)
        )

    async def close(self) -> None:
        """See `AnswerCache.close`."""
        await self._store.close()

    async def trace(self, request: Request, lane: str) -> Trace | None:
        """The record's latest stored response in this lane."""
        place = self._trace_key(request, lane)
        opened = [self._opened(place, note) for note in await self._store.notes(place)]
        notes = [note for note in opened if note is not None]
        if not notes:
            return None
        kept, *earlier = notes
        parts = await self._parts_of(kept)
        return Trace(
            key=bytes.fromhex(kept["k"]),
            stored_at=kept["t"],
            expires_at=kept["e"],
            has_expired=kept["e"] <= self._now(),
            call_id=kept["c"],
            response_model=kept["m"],
            parts=parts,
            before=_changed(await self._parts_of(earlier[0]), parts) if earlier else None,
        )

    async def lane_model(self, lane: str) -> str | None:
        """The response model of the lane's latest response; None if unknown."""
        return await self._model_of(lane)

    def parts(self, body: bytes) -> dict[str, str]:
        """Maps the name of each part of the body to a short hash; equal parts have equal hashes."""
        return self._keys.parts(body).messages | self._keys.frame_parts(body)

    def _is_fresh(self, stored_at: float) -> bool:
        # A shortened lifetime also applies to stored entries.
        return stored_at > self._now() - self._policy.ttl_s and stored_at >= self._policy.not_before

    async def _model_of(self, lane: str) -> str | None:
        known = self._lanes.get(lane)
        now = self._now()
        if known is not None and now - known[1] < LANE_SECONDS:
            return known[0]
        key = self._lane_key(lane)
        kept = self._opened(key, await self._store.get(key))
        model = kept["m"] if kept is not None else None
        self._lanes[lane] = (model, now)
        return model

    async def _note_model(self, lane: str, model: str | None, now: float) -> None:
        if await self._model_of(lane) == model and model is not None:
            return
        self._lanes[lane] = (model, now)
        self._put(self._lane_key(lane), {"m": model}, expires_at=now + FOR_EVER_S)

    def _note(self, request: Request, body: bytes, answer: PaidAnswer, key: bytes, now: float) -> CacheNote:
        """Builds the note that explains a later cache miss for this record."""
        hashes, place = self._keys.parts(body), self._trace_key(request, answer.lane)
        self._note_frame(hashes.frame, body, now)
        kept = {
            "k": key.hex(),
            "t": now,
            "e": now + self._policy.ttl_s,
            "c": answer.call_id,
            "m": answer.response_model,
            "f": hashes.frame,
            "p": hashes.messages,
        }
        return CacheNote(place, self._sealed(place, kept), now + TRACES_OUTLIVE * self._policy.ttl_s)

    def _note_frame(self, frame: str, body: bytes, now: float) -> None:
        """Stores the hashes of the shared parts under their own key, once instead of per record."""
        if frame in self._noted_frames:
            return
        if len(self._noted_frames) >= FRAMES_NOTED:
            self._noted_frames.clear()
        self._noted_frames.add(frame)
        self._put(self._frame_key(frame), self._keys.frame_parts(body), expires_at=now + FOR_EVER_S)

    async def _parts_of(self, note: dict[str, Any]) -> dict[str, str]:
        key = self._frame_key(note["f"])
        shared: dict[str, str] = self._opened(key, await self._store.get(key)) or {}
        of_messages: dict[str, str] = note["p"]
        return of_messages | shared

    def _lane_key(self, lane: str) -> bytes:
        return self._keys.named("lane", lane)

    def _trace_key(self, request: Request, lane: str) -> bytes:
        return self._keys.named("trace", self._policy.task, request.tenant_id, request.record_id, request.epoch, lane)

    def _frame_key(self, frame: str) -> bytes:
        return self._keys.named("frame", frame)

    def _put(
        self,
        key: bytes,
        content: dict[str, Any],
        *,
        expires_at: float,
        tag: str | None = None,
        note: CacheNote | None = None,
    ) -> None:
        self._store.put(CacheItem(key, self._sealed(key, content), expires_at, tag, note))

    def _sealed(self, key: bytes, content: dict[str, Any]) -> bytes:
        value = orjson.dumps(content)
        return self._keys.mac(key, value) + value

    def _opened(self, key: bytes, sealed: bytes | None) -> dict[str, Any] | None:
        """The content; None if there is none, or if its MAC does not match because it was altered or moved."""
        if sealed is None or sealed[:MAC_BYTES] != self._keys.mac(key, sealed[MAC_BYTES:]):
            return None
        content: dict[str, Any] = orjson.loads(sealed[MAC_BYTES:])
        return content


def _changed(before: dict[str, str], parts: dict[str, str]) -> dict[str, str]:
    """The parts of the earlier request that differ."""
    return {name: before.get(name, "") for name in before.keys() | parts.keys() if before.get(name) != parts.get(name)}
