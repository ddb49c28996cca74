"""The landed predictions of a run, each with its record, both masked: the input of every kind of scorer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from assay.records.keys import RequestPlace
from assay.runs.masked_records import MaskedRecord, RecordMasker
from assay.runs.queries import PREDICTIONS_TO_SCORE
from assay.runs.run import Run
from assay.warehouse.client import Warehouse


@dataclass(frozen=True, slots=True)
class LandedPrediction:
    """A landed prediction of the run and its record."""

    record: MaskedRecord
    prediction: Mapping[str, Any]

    @property
    def place(self) -> RequestPlace:
        """Place of the prediction's request."""
        return RequestPlace(self.record.position, self.prediction["epoch"])

    @property
    def output(self) -> dict[str, Any] | None:
        """The masked output; None if the prediction has none."""
        written = self.prediction["output"]
        parsed: dict[str, Any] | None = orjson.loads(written) if isinstance(written, str) else written
        return parsed

    @property
    def first_output(self) -> dict[str, Any] | None:
        """The output of the request's first outcome; None if that had none, whatever a second chance delivered."""
        is_second = self.prediction["first_status"] not in (None, self.prediction["status"])
        return None if is_second else self.output


def landed_predictions(warehouse: Warehouse, run: Run, guard: RecordMasker) -> Iterator[LandedPrediction]:
    """Yields the predictions of the run in the order of the input."""
    predictions = warehouse.stream(PREDICTIONS_TO_SCORE.sql, run.window)
    records = (record for record in guard.records() if isinstance(record, MaskedRecord))
    record = next(records, None)
    for prediction in predictions:
        while record is not None and record.position < prediction["position"]:
            record = next(records, None)
        if record is not None and record.position == prediction["position"]:
            yield LandedPrediction(record, prediction)
