"""Figures rest on the newest labeled calibration sample of just this run, wording and version, or say why on none."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from assay.calibration.label_selection import CalibratedRun, DrawnSample, SampledLabel, choose_labels
from assay.calibration.label_set import HumanLabel

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


def test_the_sample_comes_with_its_probabilities_and_labels() -> None:
    chosen = choose_labels(RUN, "q1", samples=[SAMPLE], rows=[row(1), row(2, label=None)])
    assert (chosen.source.sample_id, chosen.source.design, chosen.source.mismatch) == ("s1", "random", None)
    assert chosen.source.inclusion == {"p1": 0.2, "p2": 0.2}
    assert [label.prediction_id for label in chosen.labels] == ["p1"]


def test_a_newer_sample_counts_from_its_first_label_on() -> None:
    newer = replace(SAMPLE, sample_id="s2", labeled=0)
    rows = [row(1), row(1, sample_id="s2", inclusion_probability=0.9)]
    assert choose_labels(RUN, "q1", samples=[newer, SAMPLE], rows=rows).source.sample_id == "s1"
    newest = choose_labels(RUN, "q1", samples=[replace(newer, labeled=1), SAMPLE], rows=rows)
    assert (newest.source.sample_id, newest.source.inclusion, len(newest.labels)) == ("s2", {"p1": 0.9}, 1)


def test_labels_that_no_sample_drew_are_brought_and_those_of_a_triage_left_out() -> None:
    rows = [row(1, sample_id=None, inclusion_probability=None), row(2, sample_id=None, is_triaged=True)]
    chosen = choose_labels(RUN, "q1", samples=[replace(SAMPLE, purpose="triage")], rows=rows)
    assert (chosen.source.design, [label.prediction_id for label in chosen.labels]) == ("import", ["p1"])
    only = choose_labels(RUN, "q1", samples=[replace(SAMPLE, purpose="triage")], rows=rows[1:])
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
    found = choose_labels(RUN, "q1", samples=[replace(SAMPLE, **sample)], rows=[]).source.mismatch
    assert found == reason if reason is None else reason in str(found)


def test_a_sample_of_two_versions_fits_no_run() -> None:
    both = [SAMPLE, replace(SAMPLE, inference_version="i0")]
    found = choose_labels(RUN, "q1", samples=both, rows=[row(1)]).source.mismatch
    assert "inference version i0 and i1" in str(found)


def test_a_sample_without_a_probability_bears_nothing() -> None:
    found = choose_labels(RUN, "q1", samples=[SAMPLE], rows=[row(1, inclusion_probability=None)]).source
    assert "no inclusion probability" in str(found.mismatch)
