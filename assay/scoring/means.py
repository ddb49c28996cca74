"""Means of the scorers that measure: a number in the scorer's own unit, without pass or fail."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from typing import Any

from assay.scoring.tally import MeasuredCell, PopulationSlice, Tally
from assay.statistics.measured import Measured, joined
from assay.statistics.numeric.means import ScoreScale, deviation, scored_mean
from assay.statistics.sampling import Groups
from assay.tasks.task import Task

MEAN = "mean"
"""Metric of the mean of a scorer's numbers."""


def means(tally: Tally, task: Task) -> Iterator[tuple[PopulationSlice, str, Measured, dict[str, Any]]]:
    """Yields population and slice, scorer, mean and details of every scorer that gives numbers."""
    import numpy as np

    for place, scorer in product(tally.places, tally.measuring):
        cell = tally.measured(scorer, place)
        if cell is not None and is_ordered(task, scorer):
            _, first, records = np.unique(cell.records, return_index=True, return_inverse=True)
            groups = Groups.numbered(cell.groups[first], records=cell.records[first])
            found = scored_mean(cell.values, groups, records=records, scale=scale_of(task, scorer))
            reason = joined(found.reason, without_output(cell.without_output, len(cell.values)))
            yield place, scorer, replace(found, reason=reason), _details(cell)


def without_output(missing: int, n: int) -> str | None:
    """Returns the reason of a mean that does not include predictions without an output; None if there are none."""
    return f"{missing} of {n + missing} without an output of the model: not in the mean" if missing else None


def scale_of(task: Task, scorer: str) -> ScoreScale | None:
    """Returns the range of a judge's levels; None for any other scorer, whose range is unknown."""
    rubric = task.rubrics.get(scorer)
    levels = rubric.levels if rubric is not None else None
    return ScoreScale(lowest=min(levels), highest=max(levels)) if levels else None


def is_ordered(task: Task, scorer: str) -> bool:
    """False for a judge whose levels are categories without an order, which have no mean."""
    rubric = task.rubrics.get(scorer)
    return rubric is None or rubric.ordered


def _details(cell: MeasuredCell) -> dict[str, Any]:
    """Returns the standard deviation of the scored outputs, their number, and the number of all others."""
    import numpy as np

    unscored = int(np.isnan(cell.values).sum())
    return {
        "sd": deviation(cell.values),
        "n": len(cell.values) - unscored,
        "n_unscored": unscored,
        "n_without_output": cell.without_output,
    }
