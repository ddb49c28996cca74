"""Shards of a run, one per worker: a hash of the record's id assigns each record without coordination."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from assay.errors import UsageError

HASH_DIGITS = 15
"""Number of hexadecimal digits of the hash that are used: 60 bits, which fit the warehouse's 64-bit integers."""


@dataclass(frozen=True, slots=True)
class Shard:
    """One of `count` shards of a run; `index` is zero-based.

    Raises:
        UsageError: the index or the count is out of range.
    """

    index: int = 0
    count: int = 1

    def __post_init__(self) -> None:
        if not 0 <= self.index < self.count:
            raise UsageError(
                f"Shard index {self.index} is out of range: expected 0 to {self.count - 1} (number of shards: {self.count})."
            )

    def holds(self, key: str) -> bool:
        """True if the record or conversation with that id belongs to this shard."""
        if self.count == 1:
            return True
        digest = hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()
        return int(digest[:HASH_DIGITS], 16) % self.count == self.index

    @property
    def parameters(self) -> dict[str, object]:
        """Query parameters of statements about a shard, in addition to those of the run."""
        return {"shard": self.index, "shards": self.count}

    def __str__(self) -> str:
        return f"{self.index}-of-{self.count}"


WHOLE = Shard()
"""The whole run as one shard."""
