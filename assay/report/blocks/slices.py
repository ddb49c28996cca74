"""The slices of a run against the rest of its records, worst first, from landed estimates."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from assay.charts.intervals import COMPARED, IntervalMark, MarkMeaning, difference_chart
from assay.formatting import NOTHING, percent, points
from assay.report.block import Scorecard, ScorecardBlock, Section
from assay.report.queries.rates import RUN_RATES
from assay.report.source import RunSource
from assay.statistics.conventions import ERROR, INTERVAL_TITLE
from assay.statistics.measured import Status
from assay.statistics.multiple.slices import SLICE_DIFFERENCE

TITLE = "Slices against the rest, worst first"
MOST_DRAWN = 20
"""Number of slices in the chart, the worst first."""
COLUMNS = (
    "slice",
    "n",
    "reliability",
    "of the rest",
    f"difference, simultaneous {INTERVAL_TITLE}",
    "adjusted p",
    "result",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SliceAgainstRest:
    """One slice of a run; rates are those of the slice and of all other records, `low` and `high` are simultaneous.

    `adjusted_p`, `low` and `high` are None for a slice that is not tested; `reason` says why.
    """

    population: str
    slice: str
    n: int
    n_rest: int
    rate: float | None
    rest_rate: float | None
    difference: float | None
    low: float | None
    high: float | None
    adjusted_p: float | None
    tested_slices: int
    status: str
    reason: str | None

    @property
    def is_tested(self) -> bool:
        """True if the slice was compared with the rest by a test."""
        return self.adjusted_p is not None

    @property
    def result(self) -> str:
        """Whether the slice is worse or better than the rest, as far as the test shows it."""
        if self.adjusted_p is None:
            return self.reason or "not tested"
        if self.adjusted_p > ERROR or self.difference is None:
            return "not decisive"
        return "worse" if self.difference < 0 else "better"


@dataclass(frozen=True, slots=True, kw_only=True)
class SlicesBlock:
    """The slices of the run, each compared with the rest; empty for runs of versions without this comparison."""

    slices_against_rest: tuple[SliceAgainstRest, ...] = ()


def read(source: RunSource) -> SlicesBlock:
    """Returns the landed comparisons of the run."""
    return SlicesBlock(slices_against_rest=tuple(slices_against_rest(source.rows(RUN_RATES))))


def sections(card: Scorecard) -> Iterator[Section]:
    """Yields a row per slice, the worst first."""
    found = card.of(SlicesBlock).slices_against_rest
    marks = [_mark(one) for one in found if one.is_tested][:MOST_DRAWN]
    yield Section(
        TITLE,
        COLUMNS,
        slice_rows(found),
        note="; ".join(slice_notes(found)),
        chart=(lambda: difference_chart(marks, title=TITLE, level="simultaneous 95%", words=COMPARED))
        if marks
        else None,
    )


def slices_against_rest(estimates: Iterable[Mapping[str, Any]]) -> list[SliceAgainstRest]:
    """The slices from rows of `estimates` of one run, tested ones first, each by rising difference.

    Rows of other metrics are ignored. `details` may be JSON text or a mapping.
    """
    found = [_slice(row) for row in estimates if row["metric"] == SLICE_DIFFERENCE]
    return sorted(found, key=_by_difference)


def slice_rows(found: Sequence[SliceAgainstRest], *, most: int | None = None) -> list[tuple[str, ...]]:
    """The rows of the block in the order of `COLUMNS`; only the first `most`, if given."""
    return [_row(one) for one in found[:most]]


def slice_notes(found: Sequence[SliceAgainstRest], *, most: int | None = None) -> Iterator[str]:
    """How the slices are tested, and how many are not shown."""
    tested = max((one.tested_slices for one in found), default=0)
    if tested:
        yield (
            f"each slice is compared with all other records of its population. Adjusted p (Holm) and intervals (Bonferroni) "
            f"hold for all {tested} tested slices together"
        )
    if most is not None and len(found) > most:
        yield f"{len(found) - most} more slices are in `estimates` (metric {SLICE_DIFFERENCE})"


def _slice(row: Mapping[str, Any]) -> SliceAgainstRest:
    details = row["details"]
    details = orjson.loads(details) if isinstance(details, str | bytes) else details or {}
    return SliceAgainstRest(
        population=row["population"],
        slice=row["slice"],
        n=row["n"],
        n_rest=details["n_rest"],
        rate=details["rate"],
        rest_rate=details["rest_rate"],
        difference=row["value"],
        low=row["low"],
        high=row["high"],
        adjusted_p=details["adjusted_p"],
        tested_slices=details["tested_slices"],
        status=row["status"],
        reason=row["reason"],
    )


def _mark(one: SliceAgainstRest) -> IntervalMark:
    assert one.difference is not None and one.low is not None and one.high is not None  # A tested slice has all three.
    meaning = {"worse": MarkMeaning.BAD, "better": MarkMeaning.GOOD}.get(one.result, MarkMeaning.UNDECIDED)
    return IntervalMark(label=one.slice, value=one.difference, low=one.low, high=one.high, n=one.n, meaning=meaning)


def _by_difference(one: SliceAgainstRest) -> tuple[bool, bool, float, str]:
    return not one.is_tested, one.difference is None, one.difference or 0.0, one.slice


def _row(one: SliceAgainstRest) -> tuple[str, ...]:
    interval = f", {points(one.low)} to {points(one.high)}" if one.is_tested else ""
    note = "" if one.status in {Status.OK, Status.TOO_FEW} else f" ({one.status})"
    return (
        one.slice,
        f"{one.n:,}{note}",
        percent(one.rate),
        percent(one.rest_rate),
        points(one.difference) + interval,
        NOTHING if one.adjusted_p is None else f"{one.adjusted_p:.2g}",
        one.result,
    )


BLOCK = ScorecardBlock(kind=SlicesBlock, read=read, statements=(RUN_RATES,), sections=sections)
