"""What single predictions of a perturbed run show: an answer that broke, and responses to an injected sentence."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from assay.evaluation.queries import EXAMPLE_PREDICTION, RESPONSES_WITH_MARKER
from assay.evaluation.sides import EvaluatedVariant
from assay.records.keys import PredictionKey, RecordKey
from assay.statistics.measured import Measured
from assay.statistics.rates import rate
from assay.statistics.sampling import Sampling
from assay.warehouse.client import Warehouse


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokenAnswer:
    """A prediction that was correct on the original input and is not on the perturbed input; texts are masked.

    `fields` has the perturbed text of the fields that differ. An output is None if there was no valid one; `status` is
    then its reason.
    """

    record_id: str
    fields: Mapping[str, str]
    expected: Any
    before: Any
    after: Any
    status: str


def broken_answer(
    warehouse: Warehouse, original: EvaluatedVariant, perturbed: EvaluatedVariant, *, metric: str
) -> BrokenAnswer | None:
    """The first prediction, by record and epoch, that the perturbation broke; None if it broke none."""
    passed = {
        PredictionKey(*row.record, row.epoch)
        for row in original.outcomes.rows
        if row.has(metric) and row.outcome(metric)
    }
    failed = {
        PredictionKey(*row.record, row.epoch)
        for row in perturbed.outcomes.rows
        if row.has(metric) and row.outcome(metric) is False
    }
    broken = min(passed & failed, default=None)
    if broken is None:
        return None
    before, after = (_prediction(warehouse, side, broken) for side in (original, perturbed))
    if before is None or after is None:
        return None
    inputs = before["input"], after["input"]
    return BrokenAnswer(
        record_id=broken.record_id,
        fields={name: text for name, text in inputs[1].items() if text != inputs[0].get(name)},
        expected=after["expected"],
        before=before["output"],
        after=after["output"],
        status=after["status"],
    )


def followed_share(
    warehouse: Warehouse, original: EvaluatedVariant, perturbed: EvaluatedVariant, *, marker: str
) -> Measured:
    """The share of records with a response that contains the marker, without one on the original input.

    Every call of a request counts, also one whose response was invalid and repaired.
    """
    before = _with_marker(warehouse, original, marker)
    after = _with_marker(warehouse, perturbed, marker)
    clusters = perturbed.outcomes.clusters()
    records = sorted(clusters)
    sampling = Sampling(clusters=[clusters[record] for record in records] if any(clusters.values()) else None)
    return rate([record in after and record not in before for record in records], sampling)


def _with_marker(warehouse: Warehouse, side: EvaluatedVariant, marker: str) -> set[RecordKey]:
    parameters = {"task": side.task.name, "run_id": side.run_id, "data_date": side.data_date, "marker": marker}
    rows = warehouse.stream(RESPONSES_WITH_MARKER.sql, parameters)
    return {RecordKey(row["tenant_id"], row["record_id"]) for row in rows if row["has_marker"]}


def _prediction(warehouse: Warehouse, side: EvaluatedVariant, key: PredictionKey) -> dict[str, Any] | None:
    parameters = {
        "run_id": side.run_id,
        "data_date": side.data_date,
        "tenant_id": key.tenant_id,
        "record_id": key.record_id,
        "epoch": key.epoch,
    }
    row = next(iter(warehouse.stream(EXAMPLE_PREDICTION.sql, parameters)), None)
    return None if row is None else {**row, **{name: _value(row[name]) for name in ("input", "expected", "output")}}


def _value(found: Any) -> Any:
    """A JSON column as a value."""
    return json.loads(found) if isinstance(found, str) else found
