"""Whether clustered gates pass as often as `assay power` says. "Coverage" is one minus the distance of the two.

Drawn by either of two models: shares vary between clusters, or records take the outcome of their cluster. Decided by the
gate's own rule on the records.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import product

import numpy as np

from assay.records.statuses import RuleDecision
from assay.statistics.paired import compare
from assay.statistics.power import Plan, verdict_probabilities
from tests.benchmarks.coverage.cells import Cell, Figure, generator
from tests.benchmarks.coverage.gate import decided, right
from tests.benchmarks.coverage.paired import pairs_of

CLUSTERS = (8, 15, 30, 60)
SIZES = (3, 10, 20)
DESIGN_EFFECTS = (1.0, 1.8, 2.9)
DISCORDANCE = (0.02, 0.04, 0.1, 0.2)
MARGIN = 0.05
SHARE_OF_SAMPLES = 5
WITHIN_5 = (0.95, 1.0)


def cells(samples: int) -> Iterator[Cell]:
    """Equal variants in clusters of equal size."""
    for clusters, size, design_effect, discordance in product(CLUSTERS, SIZES, DESIGN_EFFECTS, DISCORDANCE):
        key = f"power/G={clusters} size={size} deff={design_effect} differ={discordance}"
        plan = Plan(
            n=clusters * size, discordance=discordance, margin=MARGIN, clusters=clusters, design_effect=design_effect
        )
        yield Cell(key, partial(predicted, key, plan, samples // SHARE_OF_SAMPLES))


def predicted(key: str, plan: Plan, samples: int) -> list[Figure]:
    """The simulated share of PASS, and its distance from the prediction."""
    random, passed, varied = generator(key), 0, 0
    shares = (plan.discordance / 2, plan.discordance / 2)
    correlation = (plan.design_effect - 1) / (plan.n / (plan.clusters or 1) - 1)
    codes = copied(random, plan)[1]
    for _ in range(samples):
        found = compare(pairs_of(*copied(random, plan)))
        passed += decided(found, plan.margin) is RuleDecision.PASS
        found = compare(pairs_of(varying(random, codes, shares, correlation), codes))
        varied += decided(found, plan.margin) is RuleDecision.PASS
    settings = {
        "clusters": plan.clusters or 0, "size": plan.n // (plan.clusters or 1), "design_effect": plan.design_effect,
        "differ": plan.discordance,
    }  # fmt: skip
    said = verdict_probabilities(plan).passing
    apart = abs((passed + varied) / (2 * samples) - said)
    figures = [right(key, "PASS as power predicts", settings, 1 - apart, samples=samples, wanted=WITHIN_5)]
    for name, count in (("records in common", passed), ("shares that vary", varied)):
        figures.append(
            right(key, f"PASS as predicted, {name}", settings, 1 - abs(count / samples - said), samples=samples)
        )
        figures.append(right(key, f"PASS, {name}", settings, count / samples, samples=samples))
    return figures


def varying(
    random: np.random.Generator, codes: np.ndarray, shares: tuple[float, float], correlation: float
) -> np.ndarray:
    """+1, -1 or 0 for each record (Dirichlet-multinomial)."""
    chances = np.array([*shares, 1 - sum(shares)])
    own = np.tile(chances, (codes[-1] + 1, 1))
    if correlation > 0:
        own = random.dirichlet(chances * (1 - correlation) / correlation, codes[-1] + 1)
    place = random.random(len(codes))
    gained = place < own[codes, 0]
    return gained.astype(np.float64) - (~gained & (place < own[codes, 0] + own[codes, 1]))


def copied(random: np.random.Generator, plan: Plan) -> tuple[np.ndarray, np.ndarray]:
    """+1, -1 or 0 for each record, and its cluster; two records that both take their cluster's outcome are equal."""
    clusters = plan.clusters or plan.n
    codes = np.arange(plan.n) * clusters // plan.n
    share = (plan.design_effect - 1) / (plan.n / clusters - 1)
    chances = [plan.discordance / 2, plan.discordance / 2, 1 - plan.discordance]
    of_cluster, own = (random.choice([1.0, -1.0, 0.0], count, p=chances) for count in (clusters, plan.n))
    copies = random.random(plan.n) < np.sqrt(share)
    return np.where(copies, of_cluster[codes], own), codes
