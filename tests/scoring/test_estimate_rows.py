"""What was measured lands figure by figure."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from datetime import date
from typing import Any

import pytest

from assay.records.statuses import EstimateKind
from assay.scoring.estimates import EstimateFacts, estimate_row
from assay.statistics.measured import Measured, Status

FACTS = EstimateFacts(
    kind=EstimateKind.RUN,
    evaluation_id="evaluation-1",
    run_id="run-1",
    task="sorting",
    data_date=date(2026, 11, 23),
    inference_version="i",
    golden_set_version="g",
    policy_version="p",
)
MEASURED = Measured(
    value=0.5, low=0.1, high=0.9, level=0.9, method="some_method", n=12, clusters=7, effective_n=6.5,
    standard_error=0.2, status=Status.WARNING, reason="few", worst=0.4, best=0.6,
)  # fmt: skip
PLACE: dict[str, Any] = {"metric": "reliability", "population": "input", "slice": "overall"}


def test_every_figure_lands_as_it_was_measured() -> None:
    row = estimate_row(MEASURED, FACTS, **PLACE)

    for field in fields(MEASURED):
        assert getattr(row, field.name) == getattr(MEASURED, field.name)
    for field in fields(FACTS):
        assert getattr(row, field.name) == getattr(FACTS, field.name)


def test_what_is_beside_the_figures_lands_as_json() -> None:
    row = estimate_row(
        MEASURED,
        FACTS,
        **PLACE,
        scorer="polite",
        scorer_version="s",
        calibration={"sample_id": "a"},
        label_counts={"pass": 61, "fail": 39},
        details={"variance": {"record": 0.1}},
        seed=7,
    )

    texts = (row.calibration, row.label_counts, row.details)
    assert [json.loads(text or "") for text in texts] == [
        {"sample_id": "a"},
        {"pass": 61, "fail": 39},
        {"variance": {"record": 0.1}},
    ]
    assert (row.scorer, row.scorer_version, row.seed) == ("polite", "s", 7)


@pytest.mark.parametrize("name", ["metric", "population", "slice", "scorer"])
def test_an_estimate_of_another_place_has_another_id(name: str) -> None:
    other = estimate_row(MEASURED, FACTS, **{**PLACE, name: "other"})

    assert other.estimate_id != estimate_row(MEASURED, FACTS, **PLACE).estimate_id


def test_computing_an_estimate_again_gives_it_the_same_id_and_another_method_another() -> None:
    first, again = (estimate_row(measured, FACTS, **PLACE) for measured in (MEASURED, replace(MEASURED, value=0.6)))
    other = estimate_row(replace(MEASURED, method="other"), FACTS, **PLACE)

    assert first.estimate_id == again.estimate_id != other.estimate_id
