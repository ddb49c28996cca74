"""What a cell is, how its samples become figures, and when those meet the target."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from math import sqrt
from pathlib import Path

import numpy as np

from assay.statistics.conventions import LEVEL

Settings = Mapping[str, float | int | str]
BAND = (0.935, 0.965)
"""Wanted where there is enough to say."""
CONSERVATIVE = (0.94, 1.0)
"""Wanted where there is too little: at least this, or the sample is called too few."""
MOSTLY = 0.5
"""A cell whose samples are called too few this often is one of too little to say."""
CHANCE = 2.0
"""Standard errors of a simulated figure that are allowed for its own chance."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One method in one cell, a row of the results file. Shares are 0 to 1."""

    cell: str
    method: str
    settings: Settings
    samples: int
    """Simulated samples; 0 where every outcome was counted with its probability."""
    coverage: float
    below: float
    """How often the whole interval lies below the truth."""
    width: float
    no_width: float
    """How often the interval has no width."""
    too_few: float = 0.0
    """How often the sample was called too few or inconclusive."""
    wanted: tuple[float, float] | None = None
    """None where nothing is promised, as of naive methods, which are here to be seen failing."""

    @property
    def met(self) -> bool | None:
        """Whether the method does what is wanted; None where nothing is."""
        if self.wanted is None:
            return None
        slack = CHANCE * sqrt(max(self.coverage * (1 - self.coverage), 1e-9) / self.samples) if self.samples else 0.0
        low, high = self.wanted
        enough = self.coverage >= low - slack or self.too_few >= MOSTLY
        # Samples that are called too few may be covered always.
        exact = self.coverage <= high + (1 - LEVEL) * self.too_few + slack
        return self.no_width == 0 and enough and exact


@dataclass(frozen=True, slots=True)
class Cell:
    """One set of circumstances: its key is family/name, and `run` gives a figure for each method tried."""

    key: str
    run: Callable[[], list[Figure]]


@dataclass
class Tally:
    """Counts of one method over the samples of a cell."""

    hits: float = 0.0
    below: float = 0.0
    width: float = 0.0
    no_width: float = 0.0
    too_few: float = 0.0
    weight: float = 0.0

    def add(
        self, low: float | None, high: float | None, truth: float, *, too_few: bool = False, share: float = 1.0
    ) -> None:
        """One more interval, standing for `share`; one without bounds is right if it says that there is too little."""
        self.weight += share
        self.too_few += share * too_few
        if low is None or high is None:
            self.hits += share * too_few
            return
        self.hits += share * (low <= truth <= high)
        self.below += share * (high < truth)
        self.width += share * (high - low)
        self.no_width += share * (high <= low)


@dataclass
class Tallies:
    """The methods of one cell."""

    cell: str
    settings: Settings
    wanted: Mapping[str, tuple[float, float]]
    """By method; nothing is promised of those not named."""
    tallies: dict[str, Tally] = field(default_factory=dict)

    def __getitem__(self, method: str) -> Tally:
        return self.tallies.setdefault(method, Tally())

    def figures(self) -> list[Figure]:
        """A figure for each method."""
        return [
            Figure(
                cell=self.cell,
                method=method,
                settings=self.settings,
                samples=round(tally.weight),
                coverage=tally.hits / tally.weight,
                below=tally.below / tally.weight,
                width=tally.width / tally.weight,
                no_width=tally.no_width / tally.weight,
                too_few=tally.too_few / tally.weight,
                wanted=self.wanted.get(method),
            )
            for method, tally in self.tallies.items()
        ]


def generator(key: str) -> np.random.Generator:
    """The same random numbers for the same cell, whatever ran before."""
    return np.random.default_rng(zlib.crc32(key.encode()))


class Results:
    """The results file: one JSON line a figure; a cell is finished when its last line is there."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._figures: dict[str, list[Figure]] = {}
        for figure in self._stored():
            self._figures.setdefault(figure.cell, []).append(figure)

    def __contains__(self, key: str) -> bool:
        return key in self._figures

    def figures(self) -> Iterator[Figure]:
        """All that is finished, in the order in which it was."""
        for figures in self._figures.values():
            yield from figures

    def add(self, key: str, figures: list[Figure]) -> None:
        """The cell is finished and on disk: its figures are one line, so that half of them is never read."""
        self._figures[key] = figures
        text = self._path.read_text(encoding="utf-8") if self._path.exists() else ""
        torn = "\n" if text and not text.endswith("\n") else ""
        with self._path.open("a", encoding="utf-8") as file:
            file.write(torn + json.dumps([asdict(figure) for figure in figures]) + "\n")

    def _stored(self) -> Iterator[Figure]:
        if not self._path.exists():
            return
        for line in self._path.read_text(encoding="utf-8").splitlines():
            try:
                rows = json.loads(line)
            except json.JSONDecodeError:  # the line that was being written when it was stopped
                continue
            for row in rows:
                figure = Figure(**row)
                yield replace(figure, wanted=tuple(figure.wanted) if figure.wanted else None)
