"""A store of cache entries in memory, for tests of what stands on it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from assay.inference.caches.key_value import NOTES, CacheItem


class MemoryStore:
    """Keeps `items` by their keys until they expire; `closed` once it was let go."""

    def __init__(self, *, now: Callable[[], float]) -> None:
        self._now = now
        self.items: dict[bytes, CacheItem] = {}
        self.closed = False

    async def get(self, key: bytes) -> bytes | None:
        """The value, if it has not expired."""
        item = self.items.get(key)
        return item.value if item is not None and item.expires_at > self._now() else None

    async def notes(self, place: bytes) -> list[bytes]:
        """The latest notes of the place."""
        notes = [item.note for item in reversed(self.items.values()) if item.note is not None]
        return [note.text for note in notes if note.place == place and note.expires_at > self._now()][:NOTES]

    def put(self, item: CacheItem) -> None:
        """It is found from now on."""
        self.items.pop(item.key, None)  # the latest stands last
        self.items[item.key] = item

    async def remove(self, tag: str) -> int:
        """No entry with the tag is left."""
        tagged = [key for key, item in self.items.items() if item.tag == tag]
        for key in tagged:
            del self.items[key]
        return len(tagged)

    async def flush(self) -> None:
        """Nothing waits here."""

    async def close(self) -> None:
        """It was let go."""
        self.closed = True

    def alter(self, change: Callable[[bytes], bytes]) -> None:
        """Somebody wrote over every value."""
        self.items = {key: replace(item, value=change(item.value)) for key, item in self.items.items()}

    def alter_notes(self, change: Callable[[bytes], bytes]) -> None:
        """Somebody wrote over every note."""
        for key, item in self.items.items():
            if item.note is not None:
                self.items[key] = replace(item, note=replace(item.note, text=change(item.note.text)))
