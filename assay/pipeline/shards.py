"""Parts of a run that workers take: by a hash of the record's id, so that every worker knows its own without asking."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from assay.errors import UsageError

HASH_BYTES = 8


@dataclass(frozen=True, slots=True)
class Shard:
    """One of `count` parts of a run, counted from 0.

    Raises:
        UsageError: there is no such part.
    """

    index: int = 0
    count: int = 1

    def __post_init__(self) -> None:
        if not 0 <= self.index < self.count:
            raise UsageError(
                f"Shard {self.index} of {self.count}: expected a number from 0 to one less than the number of shards."
            )

    def holds(self, key: str) -> bool:
        """True when the record, or the conversation, of that id is of this part."""
        if self.count == 1:
            return True
        digest = hashlib.blake2b(key.encode("utf-8", "surrogatepass"), digest_size=HASH_BYTES).digest()
        return int.from_bytes(digest, "big") % self.count == self.index

    def __str__(self) -> str:
        return f"{self.index}-of-{self.count}"


WHOLE = Shard()
"""All of a run."""
