"""Keys by which records, predictions and requests are held together in memory.

Each compares, sorts and hashes as the tuple of its fields. `text` is the form that is hashed where the hash decides
something, so its bytes never change.
"""

from __future__ import annotations

from typing import NamedTuple


class RecordKey(NamedTuple):
    """A record: tenants may use the same record ids."""

    tenant_id: str
    record_id: str

    @property
    def text(self) -> str:
        """Both as one text."""
        return "\0".join(self)


class ClusterKey(NamedTuple):
    """A cluster of records: tenants may use the same names of clusters."""

    tenant_id: str
    cluster_id: str

    @property
    def text(self) -> str:
        """Both as one text."""
        return "\0".join(self)


class PredictionKey(NamedTuple):
    """A prediction within a run."""

    tenant_id: str
    record_id: str
    epoch: int


class InputKey(NamedTuple):
    """A record with the hash of its input: equal keys mean the same record with the same input."""

    tenant_id: str
    record_id: str
    input_hash: str

    @property
    def record(self) -> RecordKey:
        """The record."""
        return RecordKey(self.tenant_id, self.record_id)


class RequestPlace(NamedTuple):
    """A request of a run, in the order in which requests are made: position of its record in the input, and epoch."""

    position: int
    epoch: int
