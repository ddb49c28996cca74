"""Formats a comparison of variants as tables, as Markdown, and as JSON values."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from assay.evaluation.comparisons import uncompared
from assay.evaluation.render import Table, comparison_values, page_markdown, side_text, side_values, signed
from assay.evaluation.variants.comparisons import PairFamily
from assay.evaluation.variants.land import VariantEvaluation
from assay.evaluation.variants.ranking import RankedVariant
from assay.formatting import NOTHING, milliseconds, percent, points, usd
from assay.statistics.conventions import ERROR, INTERVAL_TITLE, LEVEL, MOST_PAIRS_SHOWN
from assay.statistics.measured import Measured, Status
from assay.statistics.multiple.pairwise import VariantPair
from assay.tasks.gate_spec import OVERALL

RANKING_COLUMNS = (
    "rank",
    "variant",
    "group",
    f"reliability, {INTERVAL_TITLE}",
    f"cost per correct, {INTERVAL_TITLE}",
    "latency p50, p95",
    "Pareto set",
)
PAIR_COLUMNS = (
    "variants",
    f"difference, simultaneous {INTERVAL_TITLE}",
    "p",
    "adjusted p",
    "+ / −",
    "n",
    "result",
)
MEAN_COLUMNS = ("scorer", *PAIR_COLUMNS)
NOT_DECISIVE = "not decisive"


def facts(evaluation: VariantEvaluation) -> list[tuple[str, str]]:
    """Facts about the comparison, as pairs of name and text."""
    found = evaluation.variants
    records = max(variant.outcomes.records() for variant in found.variants)
    return [
        ("result", _result(evaluation)),
        ("population", f"{found.population}, {records:,} records"),
        ("comparisons", f"{len(evaluation.reliability.pairs)} pairs of {len(found.variants)} variants"),
        *((variant.label, side_text(variant)) for variant in found.variants),
        *(("note", f"{name} is the same version as {twin}: listed once") for name, twin in found.same_as.items()),
    ]


def tables(evaluation: VariantEvaluation) -> Iterator[Table]:
    """The ranking, the pairs of reliability, and those of the means of scorers that give numbers."""
    yield "Ranking", RANKING_COLUMNS, [_ranked(evaluation, one) for one in evaluation.ranking.variants]
    pairs = _shown(evaluation)
    yield "Pairs of variants, on the same records: reliability", PAIR_COLUMNS, [_pair(evaluation, one) for one in pairs]
    means = [(family, pair) for family in _shown_means(evaluation) for pair in _shown(evaluation, family)]
    if means:
        title = "Pairs of variants, on the same records: means, in the unit of the scorer"
        yield title, MEAN_COLUMNS, [_mean_pair(evaluation, family, pair) for family, pair in means]


def table_notes(evaluation: VariantEvaluation) -> Iterator[str]:
    """How to read the tables: groups, adjustments, disagreements of test and interval, selection, what is not shown."""
    family, labels = evaluation.reliability, evaluation.variants.labels
    yield (
        f"variants that share a letter cannot be distinguished; the ranks are {LEVEL:.0%} confidence sets for all variants "
        "together"
    )
    yield (
        f"adjusted p (Holm) and simultaneous intervals (Bonferroni) hold for all {len(family.pairs)} pairs together; each "
        "other metric and each slice is adjusted by itself"
    )
    for pair in family.pairs:
        if pair.test.is_significant and pair.test.interval_covers_zero:
            reason = _disagreement(pair, comparisons=len(family.pairs))
            yield f"{_names(pair, labels)}: significant although the simultaneous interval contains 0, because {reason}"
    for one in evaluation.ranking.variants:
        if one.cost.reason:
            yield f"cost per correct of {one.side.label}: {one.cost.reason}"
    yield from _selection(evaluation)
    found = evaluation.variants
    yield from uncompared(found.task, {one.metric for one in evaluation.families}, found.measuring)
    shown = [evaluation.reliability, *_shown_means(evaluation)]
    others = sum(len(one.pairs) for one in evaluation.families) - sum(len(_shown(evaluation, one)) for one in shown)
    if others:
        yield f"landed in `comparisons` and in --format json, but not in the table: {others:,} comparisons"


def markdown(evaluation: VariantEvaluation) -> str:
    """The comparison as a Markdown comment for a pull request."""
    title = f"{evaluation.variants.task.name}, {len(evaluation.variants.variants)} variants"
    return page_markdown(title, facts(evaluation), tables(evaluation), table_notes(evaluation))


def as_values(evaluation: VariantEvaluation) -> dict[str, Any]:
    """The ranking and every comparison as JSON values."""
    found, best = evaluation.variants, evaluation.ranking.best
    return {
        "task": found.task.name,
        "evaluation_id": found.evaluation_id,
        "population": found.population,
        "variants": [_ranked_values(one, found.labels) for one in evaluation.ranking.variants],
        "same_version_as": dict(found.same_as),
        "leaders": [one.side.label for one in evaluation.ranking.leaders],
        "best": None
        if best is None
        else {
            "variant": found.labels[best.variant],
            "rate": best.rate,
            "corrected_rate": best.corrected,
            "lower": best.lower,
        },
        "comparisons": [
            _pair_values(pair, family, found.labels) for family in evaluation.families for pair in family.pairs
        ],
        "notes": list(table_notes(evaluation)),
    }


def group_letters(groups: Sequence[int]) -> str:
    """The groups as letters: a for 1, b for 2, aa for 27."""
    return " ".join(_letters(number) for number in groups)


def _letters(number: int) -> str:
    rest, place = divmod(number - 1, 26)
    return (_letters(rest) if rest else "") + chr(ord("a") + place)


def _result(evaluation: VariantEvaluation) -> str:
    leaders = [one.side.label for one in evaluation.ranking.leaders]
    if len(leaders) == 1:
        return f"{leaders[0]} is the most reliable: better than every other variant"
    return f"{NOT_DECISIVE}: {', '.join(leaders[:-1])} and {leaders[-1]} cannot be distinguished as the most reliable"


def _disagreement(pair: VariantPair, *, comparisons: int) -> str:
    """Why a test is significant although the simultaneous interval contains 0."""
    if comparisons * pair.comparison.p_value > ERROR:
        return "Holm's stepwise test is more powerful than an interval that holds for all pairs"
    return f"the test and the bounds ({pair.comparison.method}) are different methods, and the bounds are wider here"


def _selection(evaluation: VariantEvaluation) -> Iterator[str]:
    best, labels = evaluation.ranking.best, evaluation.variants.labels
    if best is None:
        return
    corrected = f"; corrected for the choice: {percent(best.corrected)}" if best.corrected is not None else ""
    yield (
        f"the highest of {len(labels)} rates, {percent(best.rate)} of {labels[best.variant]}, is too high on average"
        f"{corrected}. At least {percent(best.lower)} with {LEVEL:.0%} confidence, whichever variant was chosen"
    )


def _shown_means(evaluation: VariantEvaluation) -> list[PairFamily]:
    return [family for family in evaluation.families if family.is_mean and family.slice == OVERALL]


def _shown(evaluation: VariantEvaluation, family: PairFamily | None = None) -> list[VariantPair]:
    pairs, first = (family or evaluation.reliability).pairs, evaluation.ranking.variants[0].rank.variant
    if len(pairs) <= MOST_PAIRS_SHOWN:
        return list(pairs)
    return [pair for pair in pairs if first in (pair.first, pair.second)]


def _ranked(evaluation: VariantEvaluation, one: RankedVariant) -> tuple[str, ...]:
    rank = one.rank
    latency = f"{milliseconds(one.p50_ms)}, {milliseconds(one.p95_ms)}" if one.p50_ms is not None else NOTHING
    return (
        str(rank.best) if rank.is_decisive else f"{rank.best} to {rank.worst}",
        one.side.label,
        group_letters(rank.groups),
        f"{percent(one.rate.value)}, {percent(one.rate.low)} to {percent(one.rate.high)}" + _status(one.rate.status),
        _cost(one.cost),
        latency,
        _pareto(one, evaluation.variants.labels),
    )


def _cost(cost: Measured) -> str:
    if cost.value is None:
        return NOTHING
    interval = f", {usd(cost.low)} to {usd(cost.high)}" if cost.low is not None and cost.high is not None else ""
    return f"{usd(cost.value)}{interval}"


def _pareto(one: RankedVariant, labels: Sequence[str]) -> str:
    place = one.pareto
    if place.is_on_front is None:
        return f"{NOTHING} (no cost)"
    if place.is_on_front:
        return "yes"
    if place.decisively_by:
        return f"no: dominated by {_listed(place.decisively_by, labels)}"
    return f"no: dominated by {_listed(place.dominated_by, labels)}, {NOT_DECISIVE}"


def _listed(variants: Sequence[int], labels: Sequence[str]) -> str:
    return ", ".join(labels[variant] for variant in variants)


def _pair(evaluation: VariantEvaluation, pair: VariantPair) -> tuple[str, ...]:
    better = None if pair.better is None else evaluation.variants.labels[pair.better]
    result = NOT_DECISIVE if better is None else f"{better} is better"
    return _pair_row(evaluation, pair, change=points, result=result)


def _mean_pair(evaluation: VariantEvaluation, family: PairFamily, pair: VariantPair) -> tuple[str, ...]:
    higher = family.higher(pair)
    result = NOT_DECISIVE if higher is None else f"{evaluation.variants.labels[higher]} is higher"
    return family.metric, *_pair_row(evaluation, pair, change=signed, result=result)


def _pair_row(
    evaluation: VariantEvaluation, pair: VariantPair, *, change: Callable[[float], str], result: str
) -> tuple[str, ...]:
    found = pair.comparison
    return (
        _names(pair, evaluation.variants.labels),
        f"{change(found.difference)}, {change(pair.test.low)} to {change(pair.test.high)}",
        f"{found.p_value:.2g}",
        f"{pair.test.p:.2g}",
        f"{found.gains} / {found.losses}",
        f"{found.n:,}" + _status(found.status),
        result,
    )


def _names(pair: VariantPair, labels: Sequence[str]) -> str:
    return f"{labels[pair.first]} − {labels[pair.second]}"


def _status(status: Status) -> str:
    return f" ({status.value.replace('_', ' ')})" if status is not Status.OK else ""


def _ranked_values(one: RankedVariant, labels: Sequence[str]) -> dict[str, Any]:
    place = one.pareto
    return {
        **side_values(one.side),
        "rank": {"best": one.rank.best, "worst": one.rank.worst},
        "group": [_letters(number) for number in one.rank.groups],
        "reliability": _measured_values(one.rate),
        "cost_per_correct_usd": _measured_values(one.cost),
        "latency_ms": {"p50": one.p50_ms, "p95": one.p95_ms},
        "is_in_pareto_set": place.is_on_front,
        "dominated_by": [labels[variant] for variant in place.dominated_by],
        "decisively_dominated_by": [labels[variant] for variant in place.decisively_by],
    }


def _measured_values(found: Measured) -> Mapping[str, Any]:
    names = ("value", "low", "high", "n", "method", "reason")
    return {**{name: getattr(found, name) for name in names}, "status": found.status.value}


def _pair_values(pair: VariantPair, family: PairFamily, labels: Sequence[str]) -> dict[str, Any]:
    return {
        "first": labels[pair.first],
        "second": labels[pair.second],
        "metric": family.metric,
        "kind": family.kind,
        "slice": family.slice,
        **comparison_values(pair.comparison),
        "adjusted_p": pair.test.p,
        "simultaneous_low": pair.test.low,
        "simultaneous_high": pair.test.high,
        "family_size": len(family.pairs),
        "better": None if pair.better is None or family.is_mean else labels[pair.better],
        "higher": None if (higher := family.higher(pair)) is None else labels[higher],
    }
