"""How predictions are chosen for people to label: probability samples for calibration, and triage for reading.

Pure: ids and strata come in, a sample with exact inclusion probabilities comes out. What a sample lets one estimate is
`sampling.py` and what builds on it.
"""

from __future__ import annotations

import hashlib
import heapq
import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest

RANDOM, STRATIFIED, TRIAGE = "random", "stratified", "triage"
CALIBRATION = "calibration"
FEWEST_IN_STRATUM = 2
"""With one item in a stratum its variance could not be estimated."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SampledItem:
    """One unit of a sample; `inclusion_probability` and the size of the stratum are None in a triage."""

    unit: str
    position: int
    stratum: str | None = None
    stratum_size: int | None = None
    inclusion_probability: float | None = None


def draw_random(units: Iterable[str], size: int, *, seed: int) -> list[SampledItem]:
    """A simple random sample without replacement in random order, or everything where there is no more than `size`.

    The same units and seed give the same sample, in whatever order the units come.
    """
    ranked = _shuffled(units, seed)
    chosen = ranked[:size]
    probability = len(chosen) / len(ranked) if ranked else 0.0
    return [
        SampledItem(unit=unit, position=position, inclusion_probability=probability)
        for position, unit in enumerate(chosen)
    ]


def draw_stratified(
    strata: Mapping[str, str], size: int, *, seed: int, spreads: Mapping[str, float] | None = None
) -> list[SampledItem]:
    """Simple random samples within strata, in one random order; `strata` maps a unit to its stratum.

    Every stratum gives at least two units (one where it has no more). The rest goes by the size of a stratum, times the
    standard deviation that is anticipated in it where `spreads` has one.

    Raises:
        ValueError: `size` is too small for the strata.
    """
    members: dict[str, list[str]] = defaultdict(list)
    for unit, stratum in strata.items():
        members[stratum].append(unit)
    counts = allocate({name: len(units) for name, units in members.items()}, size, spreads=spreads or {})
    stratum_of = {unit: name for name, units in members.items() for unit in _shuffled(units, seed)[: counts[name]]}
    return [
        SampledItem(
            unit=unit,
            position=position,
            stratum=(name := stratum_of[unit]),
            stratum_size=len(members[name]),
            inclusion_probability=counts[name] / len(members[name]),
        )
        for position, unit in enumerate(_shuffled(stratum_of, seed, "order"))
    ]


def allocate(sizes: Mapping[str, int], size: int, *, spreads: Mapping[str, float]) -> dict[str, int]:
    """Units to take from each stratum, `size` in all or everything there is.

    Wright (Am. Stat. 66 (2012) 217): giving one unit after the other to the stratum with the highest
    N·S / √(n(n+1)) reaches Neyman's optimum in whole numbers, exactly, and under bounds. With equal S it is proportional.

    Raises:
        ValueError: `size` is too small for the strata.
    """
    counts = {name: min(n, FEWEST_IN_STRATUM) for name, n in sizes.items()}
    if (fewest := sum(counts.values())) > size:
        raise ValueError(f"{len(sizes)} strata need at least {fewest} items, found a size of {size}")
    weights = {name: n * spreads.get(name, 1.0) for name, n in sizes.items()}
    waiting = [(-_priority(weights[name], counts[name]), name) for name in sorted(sizes) if counts[name] < sizes[name]]
    heapq.heapify(waiting)
    for _ in range(size - fewest):
        if not waiting:
            break
        _, name = heapq.heappop(waiting)
        counts[name] += 1
        if counts[name] < sizes[name]:
            heapq.heappush(waiting, (-_priority(weights[name], counts[name]), name))
    return counts


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedItem:
    """What triage looks at: how a prediction was judged; `recency` is higher for later ones."""

    unit: str
    is_disputed: bool
    """Epochs of a judge, or members of a jury, did not agree."""
    passed: bool | None
    value: float | None
    recency: float


def pick_triage(readings: Sequence[JudgedItem], size: int) -> list[SampledItem]:
    """What is worth reading, in turns: disputed, near the threshold, failed of late. No estimate may rest on it."""
    reasons = {
        "judge_disagreement": [reading.unit for reading in _recent_first(readings) if reading.is_disputed],
        "near_threshold": _nearest_first(readings),
        "recent_failure": [reading.unit for reading in _recent_first(readings) if reading.passed is False],
    }
    chosen: dict[str, str] = {}
    for turn in zip_longest(*([(unit, reason) for unit in units] for reason, units in reasons.items())):
        for unit, reason in filter(None, turn):
            chosen.setdefault(unit, reason)
    return [
        SampledItem(unit=unit, position=position, stratum=reason)
        for position, (unit, reason) in enumerate(list(chosen.items())[:size])
    ]


def _nearest_first(readings: Sequence[JudgedItem]) -> list[str]:
    """Units on a scale by their distance from where passing begins; none where the scale is only yes and no."""
    valued = [(reading.value, reading) for reading in readings if reading.value is not None]
    passing = [value for value, reading in valued if reading.passed is True]
    failing = [value for value, reading in valued if reading.passed is False]
    if len({value for value, _ in valued}) < 3 or not passing or not failing:
        return []
    threshold = (min(passing) + max(failing)) / 2
    near = sorted((abs(value - threshold), -reading.recency, reading.unit) for value, reading in valued)
    return [unit for _, _, unit in near]


def _recent_first(readings: Sequence[JudgedItem]) -> Iterator[JudgedItem]:
    return iter(sorted(readings, key=lambda reading: (-reading.recency, reading.unit)))


def _priority(weight: float, count: int) -> float:
    return weight / math.sqrt(count * (count + 1)) if count else math.inf


def _shuffled(units: Iterable[str], *salt: object) -> list[str]:
    """The units by a hash of salt and unit: a random order that depends on nothing else, on any machine."""
    prefix = "\x1f".join(str(part) for part in salt)
    return sorted(units, key=lambda unit: (hashlib.sha256(f"{prefix}\x1f{unit}".encode()).digest(), unit))
