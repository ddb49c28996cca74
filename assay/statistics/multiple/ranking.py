"""A ranking of variants that says no more than the pairwise comparisons show."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

from assay.statistics.multiple.pairwise import VariantPair


@dataclass(frozen=True, slots=True, kw_only=True)
class VariantRank:
    """The place of one variant; `variant` is its column.

    `best` and `worst` are the ends of the 95% confidence set of its rank, where 1 is the highest rate. `groups` are the
    numbers of the groups it belongs to, starting with 1: two variants that share a group cannot be distinguished.
    """

    variant: int
    best: int
    worst: int
    groups: tuple[int, ...]

    @property
    def is_decisive(self) -> bool:
        """True if the confidence set has one rank only."""
        return self.best == self.worst


def rank_variants(rates: Sequence[float], pairs: Sequence[VariantPair]) -> list[VariantRank]:
    """The variants by falling rate, each with the confidence set of its rank and its groups.

    A variant's rank is at least 1 + the number of variants that are decisively better, and at most the number of
    variants minus those that are decisively worse. As the pairs are one family, all sets together contain the true
    ranks in at least 95% of samples: Mogstad, Romano, Shaikh & Wilhelm, Rev. Econ. Stud. 91 (2024) 476; Al Mohamad,
    van Zwet, Solari & Goeman, Scand. J. Statist. 49 (2022) 1.
    """
    order = sorted(range(len(rates)), key=lambda variant: (-rates[variant], variant))
    better = [(pair.better, pair.first + pair.second - pair.better) for pair in pairs if pair.better is not None]
    groups = indistinguishable_groups(order, {frozenset(pair) for pair in better})
    return [
        VariantRank(
            variant=variant,
            best=1 + sum(loser == variant for _, loser in better),
            worst=len(rates) - sum(winner == variant for winner, _ in better),
            groups=tuple(number for number, group in enumerate(groups, start=1) if variant in group),
        )
        for variant in order
    ]


def indistinguishable_groups(order: Sequence[int], different: set[frozenset[int]]) -> list[frozenset[int]]:
    """The largest groups of variants without a different pair, in the given order of their variants.

    The compact letter display of Piepho, J. Comput. Graph. Stat. 13 (2004) 456, by insert and absorb.
    """
    groups = [frozenset(order)]
    for pair in sorted(different, key=sorted):
        split = [part for group in groups for part in _split(group, pair)]
        groups = list(_absorbed(split))
    place = {variant: number for number, variant in enumerate(order)}
    return sorted(groups, key=lambda group: sorted(place[variant] for variant in group))


def _split(group: frozenset[int], pair: frozenset[int]) -> Iterator[frozenset[int]]:
    if not pair <= group:
        yield group
        return
    for variant in sorted(pair):
        yield group - {variant}


def _absorbed(groups: Sequence[frozenset[int]]) -> Iterator[frozenset[int]]:
    """The groups that are not part of another one."""
    kept = list(dict.fromkeys(groups))
    for group in kept:
        if not any(group < other for other in kept):
            yield group


@dataclass(frozen=True, slots=True, kw_only=True)
class VariantQuality:
    """Rate and cost of one variant for the Pareto set; `cost_low` and `cost_high` are its simultaneous interval."""

    rate: float
    cost: float | None
    cost_low: float | None = None
    cost_high: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ParetoPlace:
    """Whether a variant is in the Pareto set.

    `dominated_by` are the variants that have at least its rate at no higher cost, and one of the two is better.
    `decisively_by` are those of them whose rate and cost are both better beyond doubt. `is_on_front` is None if the
    variant has no cost.
    """

    variant: int
    dominated_by: tuple[int, ...]
    decisively_by: tuple[int, ...]
    is_on_front: bool | None


def pareto_set(qualities: Sequence[VariantQuality], pairs: Sequence[VariantPair]) -> list[ParetoPlace]:
    """The place of each variant in the order of `qualities`; higher rates and lower costs are better.

    Domination is decisive if the rate is decisively better and the simultaneous intervals of the costs do not overlap.
    """
    won = {(pair.better, pair.first + pair.second - pair.better) for pair in pairs if pair.better is not None}
    dominated: dict[int, list[int]] = {variant: [] for variant in range(len(qualities))}
    for one, other in combinations(range(len(qualities)), 2):
        for winner, loser in ((one, other), (other, one)):
            if _dominates(qualities[winner], qualities[loser]):
                dominated[loser].append(winner)
    return [
        ParetoPlace(
            variant=variant,
            dominated_by=tuple(by),
            decisively_by=tuple(
                winner
                for winner in by
                if (winner, variant) in won and _is_cheaper(qualities[winner], qualities[variant])
            ),
            is_on_front=None if qualities[variant].cost is None else not by,
        )
        for variant, by in dominated.items()
    ]


def _dominates(one: VariantQuality, other: VariantQuality) -> bool:
    if one.cost is None or other.cost is None:
        return False
    return one.rate >= other.rate and one.cost <= other.cost and (one.rate > other.rate or one.cost < other.cost)


def _is_cheaper(one: VariantQuality, other: VariantQuality) -> bool:
    return one.cost_high is not None and other.cost_low is not None and one.cost_high < other.cost_low
