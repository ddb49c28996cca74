"""Figures rest on the newest labeled calibration sample of just this run, wording and version, or say why on none."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from assay.calibration.label_selection import (
    CalibratedRun,
    DrawnSample,
    LabelPopulation,
    SampledLabel,
    SelectedLabels,
    choose_labels,
)
from assay.calibration.label_set import HumanLabel
from assay.records.statuses import AnnotatorKind

DAY = date(2026, 11, 2)
RUN = CalibratedRun(run_id="r1", data_date=DAY, inference_version="i1", golden_set_version="g", policy_version="p")
SAMPLE = DrawnSample(
    sample_id="s1", run_id="r1", inference_version="i1", question_version="q1", purpose="calibration", design="random",
    frame="answers", frame_size=10, drawn_on=DAY, labeled=2,
)  # fmt: skip


def row(number: int, **more: Any) -> SampledLabel:
    said = HumanLabel(prediction_id=f"p{number}", annotator="ana", label="pass", value=1.0, passed=True)
    given = {"sample_id": "s1", "inclusion_probability": 0.2, "label": said, "labeled_on": DAY, **more}
    return SampledLabel(prediction_id=f"p{number}", **given)


def choose(*, samples: list[DrawnSample], rows: list[SampledLabel], population: int = 99) -> SelectedLabels:
    judged = LabelPopulation(
        predictions=frozenset(f"p{number}" for number in range(1, population + 1)), description="judged predictions"
    )
    return choose_labels(RUN, "q1", samples=samples, rows=rows, population=judged)


def test_the_sample_comes_with_its_probabilities_and_labels() -> None:
    chosen = choose(samples=[SAMPLE], rows=[row(1), row(2, label=None)])
    assert (chosen.source.sample_id, chosen.source.design, chosen.source.mismatch) == ("s1", "random", None)
    assert chosen.source.inclusion == {"p1": 0.2, "p2": 0.2}
    assert [label.prediction_id for label in chosen.labels] == ["p1"]


def test_a_newer_sample_counts_from_its_first_label_on() -> None:
    newer = replace(SAMPLE, sample_id="s2", labeled=0)
    rows = [row(1), row(1, sample_id="s2", inclusion_probability=0.9)]
    assert choose(samples=[newer, SAMPLE], rows=rows).source.sample_id == "s1"
    newest = choose(samples=[replace(newer, labeled=1), SAMPLE], rows=rows)
    assert (newest.source.sample_id, newest.source.inclusion, len(newest.labels)) == ("s2", {"p1": 0.9}, 1)


def test_labels_that_no_sample_drew_are_brought_and_those_of_a_triage_left_out() -> None:
    rows = [row(1, sample_id=None, inclusion_probability=None), row(2, sample_id=None, is_triaged=True)]
    chosen = choose(samples=[replace(SAMPLE, purpose="triage")], rows=rows)
    assert (chosen.source.design, [label.prediction_id for label in chosen.labels]) == ("import", ["p1"])
    only = choose(samples=[replace(SAMPLE, purpose="triage")], rows=rows[1:])
    assert only.source.design == "triage"


@pytest.mark.parametrize(
    ("sample", "reason"),
    [
        ({"question_version": "q0"}, "version q0 of the question; the current one is q1"),
        ({"run_id": "r0"}, "the labels are for run r0; no sample of this run has labels"),
        ({"run_id": "r0", "inference_version": "i0"}, "run r0 of inference version i0, but this run has version i1"),
        ({"inference_version": "i0"}, "drawn from inference version i0, but the run has version i1"),
        ({"labeled": 0, "run_id": "r0"}, None),
    ],
)
def test_labels_that_do_not_fit_are_told_apart(sample: dict[str, Any], reason: str | None) -> None:
    found = choose(samples=[replace(SAMPLE, **sample)], rows=[]).source.mismatch
    assert found == reason if reason is None else reason in str(found)


def test_a_sample_of_two_versions_fits_no_run() -> None:
    both = [SAMPLE, replace(SAMPLE, inference_version="i0")]
    found = choose(samples=both, rows=[row(1)]).source.mismatch
    assert "inference version i0 and i1" in str(found)


def test_a_sample_without_a_probability_bears_nothing() -> None:
    found = choose(samples=[SAMPLE], rows=[row(1, inclusion_probability=None)]).source
    assert "no inclusion probability" in str(found.mismatch)


def brought(number: int, **more: Any) -> SampledLabel:
    return row(number, sample_id=None, inclusion_probability=None, **more)


def said(number: int, label: str, *, kind: AnnotatorKind = AnnotatorKind.EXPERT) -> HumanLabel:
    value = {"pass": 1.0, "fail": 0.0}.get(label)
    passed = None if value is None else value > 0
    return HumanLabel(prediction_id=f"p{number}", annotator="ana", label=label, value=value, passed=passed, kind=kind)


def test_labels_of_all_judged_predictions_are_a_census_however_they_came() -> None:
    rows = [brought(1), brought(2, is_triaged=True), brought(3, label=said(3, "cannot_tell")), row(4)]
    source = choose(samples=[replace(SAMPLE, labeled=1)], rows=rows, population=4).source
    assert (source.design, source.frame_size, set(source.inclusion.values())) == ("census", 4, {1.0})
    assert source.frame == "all 4 judged predictions of run r1"


@pytest.mark.parametrize(
    "missing",
    [
        None,
        brought(3, label=said(3, "withdrawn")),
        brought(3, label=said(3, "pass", kind=AnnotatorKind.USER)),
        brought(3, label=said(3, "pass", kind=AnnotatorKind.MODEL)),
    ],
)
def test_labels_that_leave_one_judged_prediction_without_an_expert_are_no_census(missing: SampledLabel | None) -> None:
    rows = [brought(1), brought(2), *([] if missing is None else [missing])]
    assert choose(samples=[], rows=rows, population=3).source.design == "import"


def test_a_sample_of_everything_stays_the_sample_it_is() -> None:
    rows = [row(number, inclusion_probability=1.0) for number in (1, 2)]
    source = choose(samples=[SAMPLE], rows=rows, population=2).source
    assert (source.design, source.sample_id) == ("random", "s1")


def test_a_stratified_sample_brings_its_strata_and_their_sizes() -> None:
    rows = [row(1, stratum="verdict=pass", stratum_size=8), row(2, stratum="verdict=fail", stratum_size=2, label=None)]
    source = choose(samples=[replace(SAMPLE, design="stratified")], rows=rows).source
    assert source.strata == {"p1": "verdict=pass", "p2": "verdict=fail"}
    assert source.stratum_sizes == {"verdict=pass": 8, "verdict=fail": 2}
