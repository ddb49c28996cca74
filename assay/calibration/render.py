"""Calibrations as tables for people, and as one row a figure for machines. Only the form belongs here."""

from __future__ import annotations

from collections.abc import Iterator
from operator import attrgetter
from typing import Any

import orjson

from assay.calibration.calibrate import CalibratedJudge, Calibrations
from assay.calibration.label_set import Finding
from assay.calibration.metrics import CORRECTED_RATE, PPI, ROGAN_GLADEN
from assay.formatting import NOTHING
from assay.records.evaluation import Estimate
from assay.statistics.conventions import INTERVAL_TITLE
from assay.tasks.gate_spec import OVERALL

COLUMNS = (
    "scorer", "scorer_version", "run_id", "inference_version", "metric", "population", "slice", "method", "value", "low",
    "high", "level", "n", "status", "reason", "label_counts", "calibration", "details", "evaluation_id", "estimate_id",
)  # fmt: skip
"""What machines read of an estimate."""
JSON_COLUMNS = frozenset({"label_counts", "calibration", "details"})
SHOWN = ("figure", "value", INTERVAL_TITLE, "n", "labels", "standing")
"""What a person reads of all answers, reasons in full."""
BY_SLICE = ("slice", "figure", "value", INTERVAL_TITLE, "n", "labels", "standing")


def machine_rows(found: Calibrations, *, parsed: bool) -> Iterator[tuple[Any, ...]]:
    """Every estimate by `COLUMNS`; JSON columns as values where `parsed`, else as text."""
    for estimate in found.estimates:
        yield tuple(_column(estimate, name, parsed=parsed) for name in COLUMNS)


def facts(judge: CalibratedJudge) -> list[tuple[str, str]]:
    """What the figures of a judge rest on."""
    source, whole = judge.source, judge.kappa_facts
    return [
        ("version", judge.scorer_version),
        ("run", f"{judge.run.run_id}, {judge.run.data_date}"),
        ("labels", f"{judge.labels:,} of {whole.n_drawn:,} drawn" if source.sample_id else f"{judge.labels:,}"),
        ("labelled by", ", ".join(whole.annotators) or "nobody"),
        ("sample", f"{source.design}, drawn on {source.drawn_on or NOTHING}: {source.frame}"),
    ]


def rows(judge: CalibratedJudge) -> list[tuple[Any, ...]]:
    """The figures of all answers by `SHOWN`; rates of several populations stand one below the other."""
    several = len({finding.population for finding in judge.findings}) > 1
    return [
        (_name(one, population=several), *_figures(one), _standing(one))
        for one in judge.findings
        if one.slice == OVERALL
    ]


def slice_rows(judge: CalibratedJudge) -> list[tuple[Any, ...]]:
    """The figures of slices by `BY_SLICE`, the slices in order; reasons are in the view and in CSV and JSON."""
    several = len({finding.population for finding in judge.findings}) > 1
    found = [one for one in judge.findings if one.slice != OVERALL]
    return [
        (one.slice, _name(one, population=several), *_figures(one), one.measured.status.value)
        for one in sorted(found, key=lambda one: one.slice)
    ]


def next_steps(found: Calibrations) -> Iterator[str]:
    """What to do for a judge that people have not labelled yet."""
    for judge in found.judges:
        if judge.labels:
            continue
        task, run = found.task, judge.run.run_id
        if judge.source.sample_id is None:
            yield (
                f"{judge.scorer}: no sample of run {run} was labelled; draw one with "
                f"`assay review {task} --fill calibration --size 200 --run {run} --scorer {judge.scorer}`"
            )
        else:
            yield f"{judge.scorer}: nobody has labelled the sample of run {run}; `assay review {task}` opens the page"


def _name(finding: Finding, *, population: bool) -> str:
    kind = next((name for name in (PPI, ROGAN_GLADEN) if finding.measured.method.startswith(name)), None)
    name = f"{finding.metric} ({kind})" if finding.metric == CORRECTED_RATE and kind else finding.metric
    return f"{name}, {finding.population}" if population else name


def _figures(finding: Finding) -> tuple[Any, ...]:
    """Value, interval, n, labels."""
    measured = finding.measured
    return (
        None if measured.value is None else f"{measured.value:.3f}",
        None if measured.low is None or measured.high is None else f"{measured.low:.3f} – {measured.high:.3f}",
        measured.n,
        finding.facts.n_labels if finding.facts else None,
    )


def _standing(finding: Finding) -> str:
    status, reason = finding.measured.status.value, finding.measured.reason
    return f"{status}: {reason}" if reason else status


def _column(estimate: Estimate, name: str, *, parsed: bool) -> Any:
    value = attrgetter(name)(estimate)
    return orjson.loads(value) if parsed and name in JSON_COLUMNS and value is not None else value
