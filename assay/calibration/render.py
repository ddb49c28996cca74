"""Formats calibrations as tables and as plain rows."""

from __future__ import annotations

from collections.abc import Iterator
from operator import attrgetter
from typing import Any

import orjson

from assay.calibration.calibrate import CalibratedJudge, Calibrations
from assay.calibration.findings import Finding
from assay.calibration.metrics import CORRECTED_RATE, PPI, ROGAN_GLADEN
from assay.formatting import NOTHING
from assay.records.evaluation import Estimate
from assay.statistics.conventions import INTERVAL_TITLE
from assay.tasks.gate_spec import OVERALL

COLUMNS = (
    "scorer", "scorer_version", "run_id", "inference_version", "metric", "population", "slice", "method", "value", "low",
    "high", "level", "n", "status", "reason", "label_counts", "calibration", "details", "evaluation_id", "estimate_id",
)  # fmt: skip
"""Columns of the CSV and JSON output; they are fields of an estimate."""
JSON_COLUMNS = frozenset({"label_counts", "calibration", "details"})
SHOWN = ("metric", "value", INTERVAL_TITLE, "n", "labels", "status")
"""Columns of the table over all predictions; the status includes the reason."""
BY_SLICE = ("slice", "metric", "value", INTERVAL_TITLE, "n", "labels", "status")


def machine_rows(found: Calibrations, *, parsed: bool) -> Iterator[tuple[Any, ...]]:
    """One row per estimate with `COLUMNS`; JSON columns are values if `parsed`, else text."""
    for estimate in found.estimates:
        yield tuple(_column(estimate, name, parsed=parsed) for name in COLUMNS)


def facts(judge: CalibratedJudge) -> list[tuple[str, str]]:
    """Facts about the calibration of a judge, as pairs of name and text."""
    source, whole = judge.source, judge.kappa_facts
    return [
        ("version", judge.scorer_version),
        ("run", f"{judge.run.run_id}, {judge.run.data_date}"),
        ("labels", f"{judge.labels:,} of {whole.n_drawn:,} drawn" if source.sample_id else f"{judge.labels:,}"),
        ("labeled by", ", ".join(whole.annotators) or "nobody"),
        *([("other labels", f"{judge.other_labels:,} of users or models, not used")] if judge.other_labels else []),
        ("sample", f"{source.design}, drawn on {source.drawn_on or NOTHING}: {source.frame}"),
    ]


def rows(judge: CalibratedJudge) -> list[tuple[Any, ...]]:
    """The rows of table `SHOWN`: metrics over all predictions, and rates by population."""
    several = len({finding.population for finding in judge.findings}) > 1
    return [
        (_name(one, population=several), *_cells(one), _status(one)) for one in judge.findings if one.slice == OVERALL
    ]


def slice_rows(judge: CalibratedJudge) -> list[tuple[Any, ...]]:
    """The rows of table `BY_SLICE`, ordered by slice; for reasons see the view, or the CSV and JSON output."""
    several = len({finding.population for finding in judge.findings}) > 1
    found = [one for one in judge.findings if one.slice != OVERALL]
    return [
        (one.slice, _name(one, population=several), *_cells(one), one.measured.status.value)
        for one in sorted(found, key=lambda one: one.slice)
    ]


def next_steps(found: Calibrations) -> Iterator[str]:
    """The next step for each judge that has no labels."""
    for judge in found.judges:
        if judge.labels:
            continue
        task, run = found.task, judge.run.run_id
        if judge.source.sample_id is None:
            yield (
                f"{judge.scorer}: run {run} has no calibration sample; draw one with "
                f"`assay review {task} --fill calibration --size 200 --run {run} --scorer {judge.scorer}`"
            )
        else:
            yield f"{judge.scorer}: the sample of run {run} has no labels yet; `assay review {task}` opens the labeling page"


def _name(finding: Finding, *, population: bool) -> str:
    kind = next((name for name in (PPI, ROGAN_GLADEN) if finding.measured.method.startswith(name)), None)
    name = f"{finding.metric} ({kind})" if finding.metric == CORRECTED_RATE and kind else finding.metric
    return f"{name}, {finding.population}" if population else name


def _cells(finding: Finding) -> tuple[Any, ...]:
    """Value, interval, n and number of labels."""
    measured = finding.measured
    return (
        None if measured.value is None else f"{measured.value:.3f}",
        None if measured.low is None or measured.high is None else f"{measured.low:.3f} – {measured.high:.3f}",
        measured.n,
        finding.facts.n_labels if finding.facts else None,
    )


def _status(finding: Finding) -> str:
    status, reason = finding.measured.status.value, finding.measured.reason
    return f"{status}: {reason}" if reason else status


def _column(estimate: Estimate, name: str, *, parsed: bool) -> Any:
    value = attrgetter(name)(estimate)
    return orjson.loads(value) if parsed and name in JSON_COLUMNS and value is not None else value
