"""Makes the landing row of an estimate, whichever module measured it: nothing is computed here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

import orjson

from assay.evals.statistics import Measured
from assay.inference.keys import content_hash
from assay.records import Estimate
from assay.version import code_version


@dataclass(frozen=True, slots=True, kw_only=True)
class EstimateFacts:
    """What all estimates of one evaluation share; that of a run by itself bears the run's id."""

    evaluation_id: str
    run_id: str
    task: str
    data_date: date
    inference_version: str
    golden_set_version: str
    policy_version: str
    tenant_id: str = "default"


def estimate_row(
    measured: Measured,
    facts: EstimateFacts,
    *,
    metric: str,
    population: str,
    slice: str,
    scorer: str | None = None,
    scorer_version: str | None = None,
    calibration: Mapping[str, Any] | None = None,
    label_counts: Mapping[str, int] | None = None,
    details: Mapping[str, Any] | None = None,
    seed: int | None = None,
) -> Estimate:
    """The row of what was measured, every figure as it is; computing it again by the same method replaces it.

    Its parameters are the columns that `Measured` and the facts do not hold. `scorer` is None where it speaks of the whole
    answer. `details` are what else the method found.
    """
    return Estimate(
        estimate_id=content_hash(facts.evaluation_id, metric, scorer or "", population, slice, measured.method),
        evaluation_id=facts.evaluation_id,
        run_id=facts.run_id,
        task=facts.task,
        data_date=facts.data_date,
        occurred_at=datetime.now(UTC),
        tenant_id=facts.tenant_id,
        metric=metric,
        population=population,
        slice=slice,
        method=measured.method,
        value=measured.value,
        low=measured.low,
        high=measured.high,
        level=measured.level,
        n=measured.n,
        clusters=measured.clusters,
        effective_n=measured.effective_n,
        label_counts=_json(label_counts),
        inference_version=facts.inference_version,
        golden_set_version=facts.golden_set_version,
        policy_version=facts.policy_version,
        status=measured.status.value,
        reason=measured.reason,
        seed=seed,
        code_version=code_version(),
        scorer=scorer,
        scorer_version=scorer_version,
        standard_error=measured.standard_error,
        worst=measured.worst,
        best=measured.best,
        calibration=_json(calibration),
        details=_json(details),
    )


def _json(value: Mapping[str, Any] | None) -> str | None:
    return None if value is None else orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()
