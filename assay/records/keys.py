"""Keys that identify records, clusters, predictions and requests in memory.

A key compares, sorts and hashes like the tuple of its fields. `text` is the form that enters stable hashes, so its
bytes must never change.
"""

from __future__ import annotations

from typing import NamedTuple


class RecordKey(NamedTuple):
    """Key of a record; different tenants may use the same record id."""

    tenant_id: str
    record_id: str

    @property
    def text(self) -> str:
        """Both fields as one string."""
        return "\0".join(self)


class ClusterKey(NamedTuple):
    """Key of a cluster of records; different tenants may use the same cluster id."""

    tenant_id: str
    cluster_id: str

    @classmethod
    def of(cls, tenant_id: str, cluster_id: str | None) -> ClusterKey | None:
        """Key of the cluster; None if the record declares none."""
        return None if cluster_id is None else cls(tenant_id, cluster_id)

    @property
    def text(self) -> str:
        """Both fields as one string."""
        return "\0".join(self)


class PredictionKey(NamedTuple):
    """Key of a prediction within a run."""

    tenant_id: str
    record_id: str
    epoch: int


class InputKey(NamedTuple):
    """Key of a record and the hash of its input; equal keys mean the same record with the same input."""

    tenant_id: str
    record_id: str
    input_hash: str

    @property
    def record(self) -> RecordKey:
        """Key of the record, without its input."""
        return RecordKey(self.tenant_id, self.record_id)


class RequestPlace(NamedTuple):
    """Place of a request in the order of a run: the position of its record in the input, then the epoch."""

    position: int
    epoch: int
