"""What the predictions of a run came to, kept small: a byte for each rate that a prediction may count in.

Only collecting belongs here; what is made of it is `estimates.py`'s matter.
"""

from __future__ import annotations

from array import array
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from assay.records.keys import ClusterKey
from assay.records.statuses import ANSWERED, PredictionStatus, ScoreStatus
from assay.tasks.gate_spec import OVERALL, RELIABILITY

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Numbers = NDArray[np.integer[Any]]

QUALITY, PASS_RATE = "quality_when_answered", "pass_rate"
FALLBACK, SKIPPED = PredictionStatus.FALLBACK, PredictionStatus.SKIPPED_BUDGET
SCORED = ScoreStatus.SCORED
UNSCORED, LEFT_OUT = 2, 3
"""Codes of what is neither 0 nor 1: the second is in no count of a rate."""
SHARED = 1 << 63
"""Marks the group of a cluster; that of a record without one is its position."""


class Rate(NamedTuple):
    """A metric, and the scorer that it speaks of."""

    metric: str
    scorer: str | None


class PopulationSlice(NamedTuple):
    """A slice of one population."""

    population: str
    slice: str


RELIABILITY_RATE, QUALITY_RATE = Rate(RELIABILITY, None), Rate(QUALITY, None)


class ScoreVerdict(Protocol):
    """What one scorer said, as a record or as it landed."""

    @property
    def status(self) -> ScoreStatus:
        """scored, or why not."""
        ...

    @property
    def passed(self) -> bool | None:
        """Whether it passed; None where that was not decided."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Tallied:
    """One prediction, as far as rates need it.

    `is_counted` is False where a judge that decides was not to judge the record; `opinions` are those of the judges.
    """

    position: int
    population: str
    slices: Sequence[str]
    tenant_id: str
    cluster_id: str | None
    status: PredictionStatus
    correct: bool | None
    is_counted: bool
    verdicts: Mapping[str, ScoreVerdict]
    opinions: Mapping[str, Collection[ScoreVerdict]]


@dataclass(frozen=True, slots=True)
class Cell:
    """The predictions that one rate counts, in one population and slice; `values` are 1, 0, and NaN where unscored."""

    values: Floats
    records: Numbers
    groups: Numbers
    opinions: Floats | None
    """A row a prediction, a column an opinion of the judge; None where one opinion is all."""

    @property
    def unscored(self) -> int:
        """Predictions that nobody can tell about."""
        import numpy as np

        return int(np.isnan(self.values).sum())


class Tally:
    """Predictions as they are scored, those that a budget skipped left out.

    Bytes of a prediction: 18, one for each scorer and each opinion of a jury, and four for each slice that it is in: 24
    with two scorers and one slice.
    """

    def __init__(self, scorers: Mapping[str, int]) -> None:
        """`scorers` are the names, each with the number of opinions that a verdict is made of."""
        self._records, self._groups = array("I"), array("Q")
        rates = (RELIABILITY_RATE, QUALITY_RATE, *(Rate(PASS_RATE, name) for name in scorers))
        self._codes = {rate: bytearray() for rate in rates}
        self._opinions = {name: (bytearray(), asked) for name, asked in scorers.items() if asked > 1}
        self._places: dict[PopulationSlice, array[int]] = {}

    @property
    def places(self) -> list[PopulationSlice]:
        """Populations and slices that have a prediction."""
        return sorted(self._places)

    @property
    def rates(self) -> Iterator[Rate]:
        """Everything that is counted."""
        return iter(self._codes)

    def add(self, tallied: Tallied) -> None:
        """One more prediction is counted, overall and in each of its slices."""
        if tallied.status == SKIPPED:
            return
        number = len(self._records)
        self._records.append(tallied.position)
        self._groups.append(_group(tallied))
        correct = _code(tallied.correct) if tallied.is_counted else LEFT_OUT
        self._codes[RELIABILITY_RATE].append(correct)
        self._codes[QUALITY_RATE].append(correct if tallied.status in ANSWERED else LEFT_OUT)
        has_output = tallied.status in ANSWERED or tallied.status == FALLBACK
        for (metric, scorer), codes in self._codes.items():
            if metric == PASS_RATE:
                codes.append(_verdict_code(tallied.verdicts.get(scorer or ""), has_output=has_output))
        for judge, (codes, asked) in self._opinions.items():
            said = [_verdict_code(one, has_output=True) for one in tallied.opinions.get(judge, ())][:asked]
            codes.extend([*said, *[UNSCORED] * (asked - len(said))])
        for name in {OVERALL, *tallied.slices}:
            self._places.setdefault(PopulationSlice(tallied.population, name), array("I")).append(number)

    def cell(self, rate: Rate, place: PopulationSlice) -> Cell | None:
        """What the rate counts there; None where it counts nothing."""
        import numpy as np

        rows = np.frombuffer(self._places[place], dtype=np.uint32)
        codes = np.frombuffer(self._codes[rate], dtype=np.uint8)[rows]
        rows, codes = rows[codes != LEFT_OUT], codes[codes != LEFT_OUT]
        if not len(rows):
            return None
        opinions = None
        if rate.metric == PASS_RATE and rate.scorer in self._opinions:
            said, asked = self._opinions[rate.scorer]
            opinions = _scores(np.frombuffer(said, dtype=np.uint8).reshape(-1, asked)[rows])
        records = np.frombuffer(self._records, dtype=np.uint32)[rows]
        return Cell(_scores(codes), records, np.frombuffer(self._groups, dtype=np.uint64)[rows], opinions)


def _group(tallied: Tallied) -> int:
    """A number that the records of one cluster share; a tenant's clusters are its own."""
    if tallied.cluster_id is None:
        return tallied.position
    name = ClusterKey(tallied.tenant_id, tallied.cluster_id).text
    return SHARED | int.from_bytes(blake2b(name.encode(), digest_size=8).digest(), "big")


def _code(correct: bool | None) -> int:
    return UNSCORED if correct is None else int(correct)


def _verdict_code(verdict: ScoreVerdict | None, *, has_output: bool) -> int:
    """Left out: who was not asked, who does not say passed or failed, and who had no output to score."""
    if verdict is None:
        return LEFT_OUT
    if verdict.status == SCORED:
        return LEFT_OUT if verdict.passed is None else int(verdict.passed)
    return UNSCORED if has_output else LEFT_OUT


def _scores(codes: NDArray[np.uint8]) -> Floats:
    import numpy as np

    return np.where(codes >= UNSCORED, np.nan, codes).astype(np.float64)
