"""The blocks of the scorecard, in the order in which they are shown."""

from __future__ import annotations

from typing import Any

from assay.report.block import ScorecardBlock
from assay.report.blocks import (
    calibration,
    classes,
    cost,
    failures,
    gate,
    reliability,
    repeats,
    run,
    scorers,
    slices,
    sources,
    wrong,
)

BLOCKS: tuple[ScorecardBlock[Any], ...] = (
    run.BLOCK,
    reliability.BLOCK,
    slices.BLOCK,
    classes.BLOCK,
    cost.BLOCK,
    repeats.BLOCK,
    scorers.BLOCK,
    calibration.BLOCK,
    failures.BLOCK,
    wrong.BLOCK,
    sources.BLOCK,
    gate.BLOCK,
)
