"""Record samples drawn with a keyed hash of the record id.

A sample has no state and no random seed: a resumed run, another worker and a later run draw the same records.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from dataclasses import dataclass

from assay.guards.keys import keyed_hash

PLACES = 1 << 64


@dataclass(frozen=True, slots=True)
class RecordSample:
    """The records whose place is less than `below`; a larger sample contains every smaller one."""

    hash_key: bytes
    frame: str
    below: int = PLACES

    def holds(self, record_id: str) -> bool:
        """True if the record is in the sample."""
        return self.below >= PLACES or self.place(record_id) < self.below

    def place(self, record_id: str) -> int:
        """Returns the place of the record, an integer distributed uniformly in [0, 2^64)."""
        return int(keyed_hash(self.hash_key, "sample", self.frame, record_id)[:16], 16)

    def of_share(self, share: float) -> RecordSample:
        """Returns a sample that contains each record with probability `share`."""
        return RecordSample(self.hash_key, self.frame, round(share * PLACES))

    def of_count(self, count: int, record_ids: Iterable[str]) -> RecordSample:
        """Returns a sample of `count` of these records, or all if there are fewer; memory depends on `count` only."""
        lowest = heapq.nsmallest(count, (self.place(record_id) for record_id in record_ids))
        return RecordSample(self.hash_key, self.frame, lowest[-1] + 1 if len(lowest) == count else PLACES)
