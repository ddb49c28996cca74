"""Where the rows of a measured run go when the warehouse itself is not what is measured."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from assay.records import Content, Prediction, Response
from assay.records.row import Row
from assay.warehouse.client import Warehouse
from assay.warehouse.landing import LandingWriter


class EncodedAndDropped(LandingWriter):
    """The real writer, rows hashed and encoded to the last byte of the request; only the wire is left out."""

    requests = 0

    def _append(self, schema: Any, request: Any, batch: Any) -> None:
        self.requests += 1
        type(request).pb(request).ByteSize()


class Kept:
    """Keeps what the fault measurements compare, and nothing else, in memory."""

    def __init__(self) -> None:
        self.predictions: dict[str, list[Prediction]] = {}
        self.responses: dict[str, list[Response]] = {}
        self.contents = 0

    def append(self, rows: Sequence[Row]) -> int:
        """The rows are kept by record."""
        for row in rows:
            if isinstance(row, Prediction):
                self.predictions.setdefault(row.record_id, []).append(row)
            elif isinstance(row, Response):
                self.responses.setdefault(row.record_id, []).append(row)
            elif isinstance(row, Content):
                self.contents += 1
        return len(rows)


class KeptAndLanded(Kept):
    """Lands rows in the warehouse and keeps them for comparison."""

    def __init__(self, warehouse: Warehouse) -> None:
        super().__init__()
        self._writer = LandingWriter(warehouse)

    def append(self, rows: Sequence[Row]) -> int:
        """Both keep the rows."""
        self._writer.append(rows)
        return super().append(rows)
