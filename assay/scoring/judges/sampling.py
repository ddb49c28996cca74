"""Which records of a run are in a sample: decided by a keyed hash of their ids, so by anyone with the key alike.

No state, no randomness of a process: a resume, another worker and a later run draw the same records.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from dataclasses import dataclass

from assay.guards.keys import keyed_hash

PLACES = 1 << 64


@dataclass(frozen=True, slots=True)
class RecordSample:
    """The records whose place, an even number from 0 to 2^64, is below `below`; a sample holds every smaller one."""

    hash_key: bytes
    frame: str
    below: int = PLACES

    def holds(self, record_id: str) -> bool:
        """True for a record of the sample."""
        return self.below >= PLACES or self.place(record_id) < self.below

    def place(self, record_id: str) -> int:
        """Where the record stands among all, spread evenly."""
        return int(keyed_hash(self.hash_key, "sample", self.frame, record_id)[:16], 16)

    def of_share(self, share: float) -> RecordSample:
        """Each record with this probability."""
        return RecordSample(self.hash_key, self.frame, round(share * PLACES))

    def of_count(self, count: int, record_ids: Iterable[str]) -> RecordSample:
        """So many of these records, or all where there are fewer; memory grows with `count` only."""
        lowest = heapq.nsmallest(count, (self.place(record_id) for record_id in record_ids))
        return RecordSample(self.hash_key, self.frame, lowest[-1] + 1 if len(lowest) == count else PLACES)
