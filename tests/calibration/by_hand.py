"""Agreement and corrected rates once more, from the textbooks with plain numpy, pandas and statsmodels.

Belongs here: a second computation that shares nothing with `assay.evals`.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import permutations

import numpy as np
import pandas as pd
from statsmodels.stats.inter_rater import cohens_kappa


def kappa(
    first: Sequence[float], second: Sequence[float], levels: Sequence[float], *, quadratic: bool = False
) -> float:
    """Cohen's kappa by statsmodels."""
    table = crosstab(first, second, levels)
    return float(cohens_kappa(table, wt="quadratic" if quadratic else None, return_results=False))


def crosstab(rows: Sequence[float], columns: Sequence[float], levels: Sequence[float]) -> np.ndarray:
    """Counts by level of the two."""
    table = pd.crosstab(pd.Series(rows), pd.Series(columns))
    return table.reindex(index=list(levels), columns=list(levels), fill_value=0).to_numpy()


def weighted_kappa(first: Sequence[float], second: Sequence[float], weights: Sequence[float]) -> float:
    """Cohen's kappa of items that stand for different numbers of others, yes or no."""
    one, other, weight = np.array(first), np.array(second), np.array(weights) / np.sum(weights)
    seen = float(weight[one == other].sum())
    yes_one, yes_other = float(weight[one == 1].sum()), float(weight[other == 1].sum())
    chance = yes_one * yes_other + (1 - yes_one) * (1 - yes_other)
    return (seen - chance) / (1 - chance)


def ac1(first: Sequence[float], second: Sequence[float], levels: Sequence[float]) -> float:
    """Gwet 2008, equation for two raters and q categories."""
    table = crosstab(first, second, levels) / len(first)
    prevalence = (table.sum(axis=0) + table.sum(axis=1)) / 2
    chance = float((prevalence * (1 - prevalence)).sum()) / (len(levels) - 1)
    return float((np.trace(table) - chance) / (1 - chance))


def alpha(ratings: Sequence[Sequence[float]], *, ordinal: bool = False) -> float:
    """Krippendorff's alpha from the coincidence matrix: "Computing Krippendorff's Alpha-Reliability" (2011)."""
    values = sorted({value for item in ratings for value in item})
    place = {value: index for index, value in enumerate(values)}
    met = np.zeros((len(values), len(values)))
    for item in ratings:
        for one, other in permutations(range(len(item)), 2):
            met[place[item[one]], place[item[other]]] += 1 / (len(item) - 1)
    totals = met.sum(axis=1)
    observed = expected = 0.0
    for c in range(len(values)):
        for k in range(len(values)):
            low, high = min(c, k), max(c, k)
            between = totals[low : high + 1].sum() - (totals[c] + totals[k]) / 2
            distance = (between**2 if ordinal else 1.0) if c != k else 0.0
            observed += met[c, k] * distance
            expected += totals[c] * totals[k] * distance
    return float(1 - (totals.sum() - 1) * observed / expected)


def ppi(judge_all: Sequence[float], judge: Sequence[float], people: Sequence[float], weights: Sequence[float]) -> float:
    """PPI++ at its best tuning: the labels' regression on the verdicts, read off at the judge's rate for all answers."""
    slope, intercept = np.polyfit(np.array(judge), np.array(people), 1, w=np.sqrt(np.array(weights)))
    return float(intercept + slope * np.mean(judge_all))


def rogan_gladen(judge_all: Sequence[float], judge: Sequence[float], people: Sequence[float]) -> float:
    """Rogan & Gladen 1978."""
    said, true = np.array(judge), np.array(people)
    sensitivity, specificity = said[true == 1].mean(), 1 - said[true == 0].mean()
    return float((np.mean(judge_all) + specificity - 1) / (sensitivity + specificity - 1))


def within(verdicts: Sequence[object], labeled: Sequence[object], people: Sequence[bool]) -> float:
    """Post-stratification: the labels' mean within each verdict, weighted by the verdict's share of all answers."""
    frame = pd.DataFrame({"verdict": [str(one) for one in labeled], "passed": np.array(people, dtype=float)})
    shares = pd.Series([str(one) for one in verdicts]).value_counts(normalize=True)
    return float((frame.groupby("verdict").passed.mean() * shares).sum())
