"""The predictions without a valid output, by status and error."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from assay.formatting import percent
from assay.report.block import Scorecard, ScorecardBlock, Section
from assay.report.queries.predictions import FAILURES
from assay.report.source import Rows, RunSource

TITLE = "Failures by kind, as delivered"
COLUMNS = ("status", "error", "predictions", "share")


@dataclass(frozen=True, slots=True, kw_only=True)
class FailuresBlock:
    """One row per status and error, with the columns of `rpt_failures`."""

    failures: Rows = ()


def read(source: RunSource) -> FailuresBlock:
    """Returns the counts of the run."""
    return FailuresBlock(failures=source.rows(FAILURES))


def sections(card: Scorecard) -> Iterator[Section]:
    """Yields the counts, the most frequent first."""
    block = card.of(FailuresBlock)
    yield Section(TITLE, COLUMNS, [_row(row) for row in block.failures])


def _row(row: Mapping[str, Any]) -> tuple[str, ...]:
    return (row["status"], row["error_type"], f"{row['n_predictions']:,}", percent(row["share_of_run"]))


BLOCK = ScorecardBlock(kind=FailuresBlock, read=read, statements=(FAILURES,), sections=sections)
