"""Protocol of a cache's store, and the write buffer that all stores use.

If a store fails, entries are lost but the run continues; a store never returns an entry that was not stored.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from assay.performance.fast_init import quick_init

BATCH_ITEMS = 4000
FLUSH_SECONDS = 1.0
NOTES = 2
"""Number of notes that are read per place; a store keeps at least this number."""


@quick_init
@dataclass(frozen=True, slots=True)
class CacheNote:
    """A note that is stored with an entry and looked up by `place`, which several entries may share.

    The note may outlive the entry's value.
    """

    place: bytes
    text: bytes
    expires_at: float


@quick_init
@dataclass(frozen=True, slots=True)
class CacheItem:
    """One entry; `expires_at` is in Unix seconds, `tag` identifies the person whose data is erased with it."""

    key: bytes
    value: bytes
    expires_at: float
    tag: str | None = None
    note: CacheNote | None = None


class KeyValue(Protocol):
    """A store of expiring entries that several processes may use at the same time."""

    async def get(self, key: bytes) -> bytes | None:
        """The value, if it exists and has not expired."""
        ...

    async def notes(self, place: bytes) -> list[bytes]:
        """The texts of the latest `NOTES` unexpired notes of the place, latest first."""
        ...

    def put(self, item: CacheItem) -> None:
        """Stores the entry; this process finds it immediately, others after the next flush."""
        ...

    async def remove(self, tag: str) -> int:
        """Removes every entry with the tag and returns the number of removed entries."""
        ...

    async def flush(self) -> None:
        """Writes every buffered entry."""
        ...

    async def close(self) -> None:
        """Writes every buffered entry and closes the store."""
        ...


class WriteBehind(ABC):
    """A store that writes in batches: at `BATCH_ITEMS` entries, or `FLUSH_SECONDS` after the first."""

    def __init__(self, *, now: Callable[[], float]) -> None:
        self._now = now
        self._waiting: dict[bytes, CacheItem] = {}
        self._being_written: dict[bytes, CacheItem] = {}
        self._since = 0.0
        self._flushing: asyncio.Task[None] | None = None

    @abstractmethod
    async def _write(self, items: Sequence[CacheItem]) -> None:
        """Writes the items; if that fails, they are lost and a warning is issued."""

    def put(self, item: CacheItem) -> None:
        """See `KeyValue.put`."""
        now = self._now()
        if not self._waiting:
            self._since = now
        self._waiting[item.key] = item
        due = len(self._waiting) >= BATCH_ITEMS or now - self._since >= FLUSH_SECONDS
        if due and (self._flushing is None or self._flushing.done()):
            self._flushing = asyncio.get_running_loop().create_task(self._write_waiting())

    async def flush(self) -> None:
        """See `KeyValue.flush`."""
        if self._flushing is not None:
            await asyncio.gather(self._flushing, return_exceptions=True)
        await self._write_waiting()

    def unwritten(self, key: bytes) -> CacheItem | None:
        """The buffered entry, if it has not expired."""
        if not self._waiting and not self._being_written:
            return None
        item = self._waiting.get(key) or self._being_written.get(key)
        return item if item is not None and item.expires_at > self._now() else None

    def unwritten_notes(self, place: bytes) -> list[bytes]:
        """The buffered notes of the place, latest first."""
        items = [*self._being_written.values(), *self._waiting.values()]
        notes = [item.note for item in reversed(items) if item.note is not None and item.note.place == place]
        return [note.text for note in notes if note.expires_at > self._now()]

    async def _write_waiting(self) -> None:
        if not self._waiting:
            return
        self._being_written, self._waiting = self._waiting, {}
        try:
            await self._write(list(self._being_written.values()))
        finally:
            self._being_written = {}
