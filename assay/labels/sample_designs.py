"""Samples of predictions to label: probability samples for calibration, and triage for error analysis.

Each design takes unit ids (and strata) and returns a sample with exact inclusion probabilities.
"""

from __future__ import annotations

import hashlib
import heapq
import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest

FEWEST_IN_STRATUM = 2
"""Two, because the variance within a stratum cannot be estimated from one item."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SampledItem:
    """One unit of a sample; `inclusion_probability` and `stratum_size` are None in triage."""

    unit: str
    position: int
    stratum: str | None = None
    stratum_size: int | None = None
    inclusion_probability: float | None = None


def draw_random(units: Iterable[str], size: int, *, seed: int) -> list[SampledItem]:
    """Returns a simple random sample without replacement, in random order; all units if there are at most `size`.

    The sample depends only on the set of units and the seed, not on the order of the units.
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
    """Returns a stratified random sample in random order; `strata` maps each unit to its stratum.

    Every stratum contributes at least two units, or its only one. The remaining units are allocated in proportion to
    the size of the stratum times its anticipated standard deviation in `spreads` (default: 1).

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
    """Returns the number of units to draw from each stratum, `size` in total or all units if there are fewer.

    Wright (Am. Stat. 66 (2012) 217): adding one unit at a time to the stratum with the highest N·S / √(n(n+1)) yields
    Neyman's optimal allocation in integers, exactly, and under bounds. With equal S the allocation is proportional.

    Raises:
        ValueError: `size` is too small for the strata.
    """
    counts = {name: min(n, FEWEST_IN_STRATUM) for name, n in sizes.items()}
    if (fewest := sum(counts.values())) > size:
        raise ValueError(f"{len(sizes)} strata require at least {fewest} items")
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
    """The scores of one prediction that triage uses.

    `is_disputed` is True if the votes of a judge differ; `recency` is higher for later predictions.
    """

    unit: str
    is_disputed: bool
    passed: bool | None
    value: float | None
    recency: float


def pick_triage(items: Sequence[JudgedItem], size: int) -> list[SampledItem]:
    """Returns disputed, near-threshold and recently failed predictions, alternating; not a sample for estimates."""
    reasons = {
        "judge_disagreement": [item.unit for item in _recent_first(items) if item.is_disputed],
        "near_threshold": _nearest_first(items),
        "recent_failure": [item.unit for item in _recent_first(items) if item.passed is False],
    }
    chosen: dict[str, str] = {}
    for turn in zip_longest(*([(unit, reason) for unit in units] for reason, units in reasons.items())):
        for unit, reason in filter(None, turn):
            chosen.setdefault(unit, reason)
    return [
        SampledItem(unit=unit, position=position, stratum=reason)
        for position, (unit, reason) in enumerate(list(chosen.items())[:size])
    ]


def _nearest_first(items: Sequence[JudgedItem]) -> list[str]:
    """Returns units in order of the distance of their value from the pass threshold; none on a binary scale."""
    valued = [(item.value, item) for item in items if item.value is not None]
    passing = [value for value, item in valued if item.passed is True]
    failing = [value for value, item in valued if item.passed is False]
    if len({value for value, _ in valued}) < 3 or not passing or not failing:
        return []
    threshold = (min(passing) + max(failing)) / 2
    near = sorted((abs(value - threshold), -item.recency, item.unit) for value, item in valued)
    return [unit for _, _, unit in near]


def _recent_first(items: Sequence[JudgedItem]) -> Iterator[JudgedItem]:
    return iter(sorted(items, key=lambda item: (-item.recency, item.unit)))


def _priority(weight: float, count: int) -> float:
    return weight / math.sqrt(count * (count + 1)) if count else math.inf


def _shuffled(units: Iterable[str], *salt: object) -> list[str]:
    """Returns the units in a random order that is the same on every machine: by a hash of salt and unit."""
    prefix = "\x1f".join(str(part) for part in salt)
    return sorted(units, key=lambda unit: (hashlib.sha256(f"{prefix}\x1f{unit}".encode()).digest(), unit))
