"""How often the gate is wrong, and whether it passes as often as `power.py` says. "Coverage" is how often it is right.

Each figure stands for a promise: not to pass a candidate that is worse by just the margin, not to fail equal variants by any
of several rules, and to pass them as often as predicted. Yes/no pairs are counted exactly. Naive: rules that each fail on
their own bound, and passing on the bare difference.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from functools import lru_cache, partial
from itertools import product

from assay.evaluation.evidence import regression_evidence
from assay.evaluation.verdict import decide
from assay.records.statuses import RuleDecision, RuleKind
from assay.statistics.paired import PairedComparison, compare
from assay.statistics.power import Plan, verdict_probabilities
from assay.tasks.gate_rule import GateRule
from tests.benchmarks.coverage.cells import Cell, Figure, Settings, generator
from tests.benchmarks.coverage.paired import cluster_differences, counts, outcomes, pairs_of

RECORDS = (50, 120, 300, 600)
DISCORDANCE = (0.05, 0.1, 0.2, 0.3)
MARGINS = (0.02, 0.05)
FAMILY = 6
ERROR_5, WITHIN_3 = (0.9495, 1.0), (0.97, 1.0)
"""An error of 5%, to a tenth of a per cent; a prediction within 3 points."""
CLUSTERS = ((10, 0.1), (20, 0.1), (50, 0.1), (50, 0.3), (200, 0.1))
TODAY = date(2026, 1, 1)


def cells(samples: int) -> Iterator[Cell]:
    """Passing at the margin, passing equal variants, failing equal variants; then the first with clusters."""
    for n, discordance, margin in product(RECORDS, DISCORDANCE, MARGINS):
        key = f"gate/n={n} differ={discordance} margin={margin}"
        yield Cell(key, partial(passing, key, n, discordance, margin))
    for n, discordance in product((60, 300), (0.1, 0.3)):
        key = f"gate/{FAMILY} slices n={n} differ={discordance}"
        yield Cell(key, partial(family, key, n, discordance, samples))
    for clusters, correlation in CLUSTERS:
        key = f"gate/G={clusters} icc={correlation}"
        yield Cell(key, partial(clustered, key, clusters, correlation, samples))


def passing(key: str, n: int, discordance: float, margin: float) -> list[Figure]:
    """Over every outcome, at a true difference of -margin and of 0."""
    settings = {"n": n, "differ": discordance, "margin": margin}
    at_margin = chances(n, discordance, -margin, margin)
    equal = chances(n, discordance, 0.0, margin)
    apart = abs(equal[0] - verdict_probabilities(Plan(n=n, discordance=discordance, margin=margin)).passing)
    return [
        right(key, "no PASS at -margin", settings, 1 - at_margin[0], wanted=ERROR_5),
        right(key, "no FAIL at equality", settings, 1 - equal[1], wanted=ERROR_5),
        right(key, "PASS as power predicts", settings, 1 - apart, wanted=WITHIN_3),
        right(key, "PASS at equality", settings, equal[0]),
        right(key, "naive: no pass on the difference", settings, 1 - at_margin[2]),
    ]


def chances(n: int, discordance: float, difference: float, margin: float) -> tuple[float, float, float]:
    """Of PASS, of FAIL, and of a difference above -margin, by the shipped rule over every outcome."""
    passes = fails = above = 0.0
    for gains, losses, share in outcomes(n, (discordance + difference) / 2, (discordance - difference) / 2):
        decision = decided(compared(gains, losses, n), margin)
        passes += share * (decision is RuleDecision.PASS)
        fails += share * (decision is RuleDecision.FAIL)
        above += share * ((gains - losses) / n > -margin)
    return passes, fails, above


@lru_cache(maxsize=100_000)
def compared(gains: int, losses: int, n: int) -> PairedComparison:
    """Yes/no pairs with so many of each."""
    return compare(counts(gains, losses, n))


def decided(comparison: PairedComparison, margin: float) -> RuleDecision:
    """The verdict of a gate with one rule."""
    rule = GateRule(name="no worse", kind=RuleKind.NO_REGRESSION, metric="correct", threshold=margin)
    return decide([rule], {"no worse": regression_evidence(comparison, margin=margin)}, today=TODAY).decision


def right(
    key: str,
    method: str,
    settings: Settings,
    share: float,
    *,
    samples: int = 0,
    wanted: tuple[float, float] | None = None,
) -> Figure:
    """How often the promise is kept."""
    return Figure(
        cell=key,
        method=method,
        settings=settings,
        samples=samples,
        coverage=share,
        below=0.0,
        width=0.0,
        no_width=0.0,
        wanted=wanted,
    )


def family(key: str, n: int, discordance: float, samples: int) -> list[Figure]:
    """Equal variants on several slices, without a margin: the hardest case for not failing any."""
    random, failed, naive = generator(key), 0, 0
    rules = [
        GateRule(name=str(slice), kind=RuleKind.NO_REGRESSION, metric="correct", threshold=0.0)
        for slice in range(FAMILY)
    ]
    for _ in range(samples):
        evidence = {}
        shares = [discordance / 2, discordance / 2, 1 - discordance]
        for place, (gains, losses, _) in enumerate(random.multinomial(n, shares, size=FAMILY).tolist()):
            evidence[str(place)] = regression_evidence(compared(gains, losses, n), margin=0.0)
        failed += decide(rules, evidence, today=TODAY).decision is RuleDecision.FAIL
        naive += any(one.upper is not None and one.upper < 0 for one in evidence.values())
    settings = {"n": n, "differ": discordance, "rules": FAMILY}
    return [
        right(key, "no FAIL at equality", settings, 1 - failed / samples, samples=samples, wanted=ERROR_5),
        right(key, "naive: unadjusted", settings, 1 - naive / samples, samples=samples),
    ]


def clustered(key: str, clusters: int, correlation: float, samples: int) -> list[Figure]:
    """Clusters of ten: at a true difference of -margin, and at equality against the prediction for the true design effect."""
    random, passed, naive, equal = generator(key), 0, 0, 0
    for _ in range(samples):
        values, codes = cluster_differences(random, clusters, "even", (0.08, 0.12), correlation)
        found = compare(pairs_of(values, codes))
        passed += decided(found, 0.04) is RuleDecision.PASS
        naive += found.difference > -0.04
        values, codes = cluster_differences(random, clusters, "even", (0.1, 0.1), correlation)
        equal += decided(compare(pairs_of(values, codes)), 0.04) is RuleDecision.PASS
    settings = {"clusters": clusters, "icc": correlation, "margin": 0.04}
    plan = Plan(n=10 * clusters, discordance=0.2, margin=0.04, clusters=clusters, design_effect=1 + 9 * correlation)
    apart = abs(equal / samples - verdict_probabilities(plan).passing)
    return [
        right(key, "no PASS at -margin", settings, 1 - passed / samples, samples=samples, wanted=ERROR_5),
        right(key, "PASS as power predicts", settings, 1 - apart, samples=samples, wanted=WITHIN_3),
        right(key, "naive: no pass on the difference", settings, 1 - naive / samples, samples=samples),
    ]
