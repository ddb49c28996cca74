"""Outcomes of a run's predictions, kept in memory at one byte per prediction and rate, and eight per number."""

from __future__ import annotations

import math
from array import array
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from assay.records.keys import ClusterKey
from assay.records.statuses import ANSWERED, PredictionStatus, ResultKind, ScoreStatus
from assay.statistics.sampling import Groups
from assay.tasks.gate_spec import OVERALL, RELIABILITY

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Numbers = NDArray[np.integer[Any]]

QUALITY, PASS_RATE, DELIVERED = "quality_when_answered", "pass_rate", "delivered_pass_rate"
FALLBACK, SKIPPED = PredictionStatus.FALLBACK, PredictionStatus.SKIPPED_BUDGET
SCORED = ScoreStatus.SCORED
UNSCORED, MEASURED, LEFT_OUT, NO_OUTPUT = 2, 3, 8, 9
"""Codes other than 0 and 1: unscored; a number without pass or fail; not in the rate; no output that could pass."""
OF_FALLBACK = 4
"""Added to the code of a score if the scored output is the fallback value."""
SHARED = 1 << 63
"""Bit that marks a group as a cluster; the group of a record without a cluster is the record's position."""


class Rate(NamedTuple):
    """A metric and its scorer; the scorer is None for a metric of the whole prediction."""

    metric: str
    scorer: str | None


class PopulationSlice(NamedTuple):
    """A slice of one population."""

    population: str
    slice: str


RELIABILITY_RATE, QUALITY_RATE = Rate(RELIABILITY, None), Rate(QUALITY, None)


class ScoreVerdict(Protocol):
    """The result of one scorer, from a new or a landed row."""

    @property
    def status(self) -> ScoreStatus:
        """`scored`, or the reason why there is no score."""
        ...

    @property
    def passed(self) -> bool | None:
        """Whether the prediction passed; None if this was not decided."""
        ...

    @property
    def value(self) -> float | None:
        """The score as a number; None unless scored."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Tallied:
    """One prediction with the columns that rates need.

    `is_counted` is False outside the sample of a judge in `correct`; `votes` are the votes of the judges.
    """

    position: int
    population: str
    slices: Sequence[str]
    cluster: ClusterKey | None
    status: PredictionStatus
    correct: bool | None
    is_counted: bool
    verdicts: Mapping[str, ScoreVerdict]
    votes: Mapping[str, Collection[ScoreVerdict]]


@dataclass(frozen=True, slots=True)
class Cell:
    """The predictions of one rate in one population and slice; `values` are 1, 0, or NaN if unscored."""

    values: Floats
    records: Numbers
    groups: Numbers
    votes: Floats | None
    """One row per prediction and one column per vote of the judge; None if a verdict has one vote."""

    @property
    def unscored(self) -> int:
        """The number of unscored predictions."""
        import numpy as np

        return int(np.isnan(self.values).sum())


@dataclass(frozen=True, slots=True)
class MeasuredCell:
    """The outputs that a scorer measured in one population and slice; `values` are NaN if unscored.

    `without_output` counts the predictions without an output of the model's own, which have no value.
    """

    values: Floats
    records: Numbers
    groups: Numbers
    without_output: int


class Tally:
    """Collects predictions as they are scored, except those that were skipped because a budget ran out.

    A prediction takes 18 bytes, plus one for each scorer and each vote of a jury, four for each slice other than
    `overall`, and eight for each scorer that measures: 24 bytes with two scorers that pass or fail and one slice.
    """

    def __init__(self, scorers: Mapping[str, int], kinds: Mapping[str, ResultKind] | None = None) -> None:
        """`scorers` maps each scorer to the number of votes in its verdict, `kinds` to what it gives, if that is known.

        A scorer without a kind gives numbers if its scores of the outputs are numbers and none is a pass or a fail.
        """
        self._records, self._groups = array("I"), array("Q")
        rates = (RELIABILITY_RATE, QUALITY_RATE, *(Rate(PASS_RATE, name) for name in scorers))
        self._codes = {rate: bytearray() for rate in rates}
        self._votes = {name: (bytearray(), n_votes) for name, n_votes in scorers.items() if n_votes > 1}
        self._kinds = dict(kinds or {})
        numbers = [name for name in scorers if self._kinds.get(name) is ResultKind.NUMBER]
        self._values = {name: array("d") for name in numbers}
        self._places: dict[PopulationSlice, array[int]] = {}

    @property
    def places(self) -> list[PopulationSlice]:
        """The populations and slices that have a prediction."""
        return sorted(self._places)

    @property
    def rates(self) -> Iterator[Rate]:
        """The rates that are counted."""
        for rate in self._codes:
            yield rate
            if rate.metric == PASS_RATE:
                yield Rate(DELIVERED, rate.scorer)

    @property
    def measuring(self) -> list[str]:
        """The scorers that give a number without pass or fail."""
        return sorted(name for name in self._values if self._gives_numbers(name))

    def add(self, tallied: Tallied) -> None:
        """Counts one prediction, overall and in each of its slices."""
        if tallied.status == SKIPPED:
            return
        number = len(self._records)
        self._records.append(tallied.position)
        self._groups.append(_group(tallied))
        correct = _code(tallied.correct) if tallied.is_counted else LEFT_OUT
        self._codes[RELIABILITY_RATE].append(correct)
        self._codes[QUALITY_RATE].append(correct if tallied.status in ANSWERED else LEFT_OUT)
        for (metric, scorer), codes in self._codes.items():
            if metric == PASS_RATE:
                codes.append(_verdict_code(tallied.verdicts.get(scorer or ""), tallied.status))
        self._add_values(tallied, number)
        for judge, (codes, n_votes) in self._votes.items():
            votes = [_code(decided(vote)) for vote in tallied.votes.get(judge, ())][:n_votes]
            codes.extend([*votes, *[UNSCORED] * (n_votes - len(votes))])
        for name in {OVERALL, *tallied.slices}:
            self._places.setdefault(PopulationSlice(tallied.population, name), array("I")).append(number)

    def members(self, rate: Rate, population: str) -> dict[str, NDArray[np.bool_]]:
        """Returns which rows of the rate's overall cell are in each slice of the population that has any of them."""
        import numpy as np

        codes = np.frombuffer(self._codes[rate], dtype=np.uint8)
        rows = np.frombuffer(self._places[PopulationSlice(population, OVERALL)], dtype=np.uint32)
        rows = rows[codes[rows] != LEFT_OUT]
        members = {
            place.slice: np.isin(rows, np.frombuffer(self._places[place], dtype=np.uint32), assume_unique=True)
            for place in self.places
            if place.population == population and place.slice != OVERALL
        }
        return {name: inside for name, inside in members.items() if inside.any()}

    def _add_values(self, tallied: Tallied, number: int) -> None:
        for scorer, verdict in tallied.verdicts.items():
            is_new = scorer not in self._values and scorer not in self._kinds
            if is_new and measured_value(verdict, tallied.status) is not None:
                self._values[scorer] = array("d", [math.nan]) * number
        for scorer, values in self._values.items():
            found = measured_value(tallied.verdicts.get(scorer), tallied.status)
            values.append(math.nan if found is None else found)

    def measured(self, scorer: str, place: PopulationSlice) -> MeasuredCell | None:
        """Returns the outputs that the scorer was to measure; None if it was to measure nothing here."""
        import numpy as np

        rows = self.rows(place)
        codes = np.frombuffer(self._codes[Rate(PASS_RATE, scorer)], dtype=np.uint8)
        due, own = codes[rows] != LEFT_OUT, rows[codes[rows] < OF_FALLBACK]
        if not due.any():
            return None
        return MeasuredCell(
            np.frombuffer(self._values[scorer], dtype=np.float64)[own],
            np.frombuffer(self._records, dtype=np.uint32)[own],
            np.frombuffer(self._groups, dtype=np.uint64)[own],
            without_output=int(due.sum()) - len(own),
        )

    def _gives_numbers(self, scorer: str | None) -> bool:
        """True for a scorer that gives numbers by its definition, or without one, by its scores of all outputs."""
        import numpy as np

        if scorer is None or scorer in self._kinds:
            return scorer is not None and self._kinds[scorer] is ResultKind.NUMBER
        return _only_measures(np.frombuffer(self._codes[Rate(PASS_RATE, scorer)], dtype=np.uint8))

    def rows(self, place: PopulationSlice) -> NDArray[np.uint32]:
        """Returns the places of the predictions of this population and slice, in the order in which they were added."""
        import numpy as np

        return np.frombuffer(self._places[place], dtype=np.uint32)

    def groups(self, rows: Numbers) -> Groups:
        """Returns the groups of these predictions."""
        import numpy as np

        groups, records = np.frombuffer(self._groups, dtype=np.uint64), np.frombuffer(self._records, dtype=np.uint32)
        return Groups.numbered(groups[rows], records=records[rows])

    def cell(self, rate: Rate, place: PopulationSlice) -> Cell | None:
        """Returns the predictions that count in the rate for this population and slice; None if there are none.

        A scorer that gives numbers has no pass rate. The delivered pass rate exists if there is a fallback value.
        """
        import numpy as np

        is_delivered = rate.metric == DELIVERED
        counted = Rate(PASS_RATE, rate.scorer) if is_delivered else rate
        rows = self.rows(place)
        codes = np.frombuffer(self._codes[counted], dtype=np.uint8)[rows]
        rows, codes = rows[codes != LEFT_OUT], codes[codes != LEFT_OUT]
        if not len(rows) or self._gives_numbers(rate.scorer) or (is_delivered and not _of_fallback(codes).any()):
            return None
        votes = None
        if rate.metric == PASS_RATE and rate.scorer in self._votes:
            vote_codes, n_votes = self._votes[rate.scorer]
            votes = _scores(np.frombuffer(vote_codes, dtype=np.uint8).reshape(-1, n_votes)[rows])
            votes[codes >= OF_FALLBACK] = np.nan
        records = np.frombuffer(self._records, dtype=np.uint32)[rows]
        groups = np.frombuffer(self._groups, dtype=np.uint64)[rows]
        return Cell(_delivered(codes) if is_delivered else _scores(codes), records, groups, votes)


def decided(verdict: ScoreVerdict | None) -> bool | None:
    """Returns whether the scorer passed the prediction; None if the score is neither passed nor failed."""
    return verdict.passed if verdict is not None and verdict.status == SCORED else None


def measured_value(verdict: ScoreVerdict | None, status: PredictionStatus) -> float | None:
    """Returns the number that the scorer gave to the model's own output, without pass or fail; None if it gave none."""
    is_measured = verdict is not None and verdict.status == SCORED and verdict.passed is None
    return verdict.value if verdict is not None and is_measured and status in ANSWERED else None


def own_outcome(verdict: ScoreVerdict | None, status: PredictionStatus) -> bool | None:
    """Returns whether the model's own output passed the scorer; False without one, whatever replaced it."""
    return decided(verdict) if status in ANSWERED else False


def has_output(status: PredictionStatus) -> bool:
    """True if there is an output: the model's own, or the fallback value."""
    return status in ANSWERED or status == FALLBACK


def _group(tallied: Tallied) -> int:
    """Returns a number that is equal for records of the same tenant and cluster."""
    if tallied.cluster is None:
        return tallied.position
    return SHARED | int.from_bytes(blake2b(tallied.cluster.text.encode(), digest_size=8).digest(), "big")


def _code(correct: bool | None) -> int:  # noqa: FBT001 - the outcome is the main argument
    return UNSCORED if correct is None else int(correct)


def _verdict_code(verdict: ScoreVerdict | None, status: PredictionStatus) -> int:
    """Returns the code of a score; a prediction that the scorer was not to score is not in the rate."""
    if verdict is None:
        return LEFT_OUT
    if not has_output(status):
        return NO_OUTPUT
    is_measured = verdict.status == SCORED and verdict.passed is None
    code = MEASURED if is_measured else _code(decided(verdict))
    return code + OF_FALLBACK if status == FALLBACK else code


def _only_measures(codes: NDArray[np.uint8]) -> bool:
    """True if no score of the outputs is a pass or a fail, and one is a number."""
    kinds = codes[codes < LEFT_OUT] % OF_FALLBACK
    return bool((kinds == MEASURED).any() and not (kinds < UNSCORED).any())


def _of_fallback(codes: NDArray[np.uint8]) -> NDArray[np.bool_]:
    return (codes >= OF_FALLBACK) & (codes < LEFT_OUT)


def _scores(codes: NDArray[np.uint8]) -> Floats:
    """Returns 1 and 0, NaN if unscored; a prediction without an output of the model's own is 0."""
    import numpy as np

    own = np.where(codes >= UNSCORED, np.nan, codes).astype(np.float64)
    return np.where(codes >= OF_FALLBACK, 0.0, own)


def _delivered(codes: NDArray[np.uint8]) -> Floats:
    """Returns 1 and 0, NaN if unscored; a fallback value has the score of the value."""
    import numpy as np

    return _scores(np.where(codes == NO_OUTPUT, 0, codes % OF_FALLBACK).astype(np.uint8))
