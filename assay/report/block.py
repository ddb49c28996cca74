"""A scorecard and its blocks: each has its own data, reads it, and shows it as single values and as tables."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from assay.report.intervals import legend
from assay.report.source import RunSource
from assay.statistics.conventions import INTERVAL_TITLE
from assay.warehouse.statement import Statement

if TYPE_CHECKING:
    import altair as alt

T = TypeVar("T")
Fact = tuple[str, str]
"""The name of a value and its text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IntervalBar:
    """An interval as drawn, in percent of the width, with its text; `rate` is None if it is unknown."""

    low: str
    high: str
    rate: str | None
    is_dashed: bool
    label: str


@dataclass(frozen=True, slots=True)
class Section:
    """One table of the scorecard; `bars` has an interval to draw for each row, or is empty.

    `chart` makes the chart that the web page shows above the table; None for a table without one.
    """

    title: str
    columns: tuple[str, ...]
    rows: list[tuple[str, ...]]
    bars: tuple[IntervalBar | None, ...] = ()
    note: str = ""
    chart: Callable[[], alt.TopLevelMixin] | None = None

    @property
    def legend(self) -> str:
        """The note, and the meaning of the words that occur in the interval column, in one line; may be empty."""
        if INTERVAL_TITLE not in self.columns:
            return self.note
        place = self.columns.index(INTERVAL_TITLE)
        return "; ".join(filter(None, (self.note, legend(row[place] for row in self.rows))))


@dataclass(frozen=True, slots=True)
class Scorecard:
    """The metrics of one run; `parts` has the data of each block."""

    task: str
    parts: tuple[Any, ...]

    def of(self, kind: type[T]) -> T:
        """Returns the data of a block."""
        return next(part for part in self.parts if isinstance(part, kind))

    def as_dict(self) -> dict[str, Any]:
        """Returns the scorecard as plain values: the fields of all blocks, beside each other."""
        values: dict[str, Any] = {"task": self.task}
        for part in self.parts:
            values |= asdict(part)
        return values


@dataclass(frozen=True, slots=True, kw_only=True)
class ScorecardBlock(Generic[T]):
    """A part of the scorecard.

    `kind` is a frozen dataclass whose fields are keys of the scorecard's JSON, unlike those of every other block.
    `statements` are those that `read` always needs. A table without rows is not shown.
    """

    kind: type[T]
    read: Callable[[RunSource], T]
    statements: tuple[Statement, ...] = ()
    facts: Callable[[Scorecard], Iterable[Fact]] | None = None
    sections: Callable[[Scorecard], Iterable[Section]] | None = None
