"""Thresholds and defaults of the statistics, each with its reason or source.

tests/statistics/test_conventions.py checks that the dbt project uses the same values and that no module states its own.
"""

DEFAULT_TENANT = "default"
"""Tenant of rows whose task names no tenant column, and of rows that belong to several tenants."""

LEVEL = 0.95
"""Two-sided confidence level of every reported interval: the usual one, as in statsmodels and `binom.test`."""
TAIL_ERROR = (1 - LEVEL) / 2
"""Error probability of each bound of an interval at `LEVEL`."""
ERROR = 0.05
"""Error probability of the one-sided bound of a gate rule, and of a two-sided test: the usual one (Fisher 1925)."""
GATE_LEVEL = 1 - 2 * ERROR
"""Level of a two-sided interval whose bounds are one-sided bounds at `ERROR`, as gate rules use them."""
POWER = 0.8
"""Power of minimum detectable effects and of sample sizes: the usual one (Cohen, Statistical Power Analysis, 1988)."""
INTERVAL_TITLE = f"{100 * LEVEL:g}% interval"
"""Title of the column that shows intervals at `LEVEL`."""
BOUNDS_TITLE = f"one-sided {100 * (1 - ERROR):g}% bounds"
"""Title of the column that shows the bounds of gate rules."""

MAX_UNSCORED_SHARE = 0.01
"""Share of unscored rows up to which they are omitted; above it the bounds are those of the worst and the best case.

ADR 4. Omitting 1% changes a rate by about one point at most.
"""
FEWEST_OUTCOMES = 5
"""Successes or failures below which bounds are exact, because Wilson's interval no longer keeps its level.

The usual rule for normal approximations (Cochran, Biometrics 10 (1954) 417); docs/reference/coverage.md, "binomial".
"""
WILSON_SKEWNESS = 0.28
"""Skewness of the binomial at the effective n, |1-2p| / sqrt(n p (1-p)), above which Clopper & Pearson's bounds replace
Wilson's unless the design effect is negligible. With 10 failures of 100 it is 0.27."""
NEGLIGIBLE_DESIGN_EFFECT = 0.6
"""An estimated design effect of up to 1 + this / sqrt(df) is no evidence of correlation within groups.

Chosen by simulation: tests/benchmarks/coverage, family "clustered rates".
"""
FEWEST_CLUSTERS = 10
"""Clusters below which no decision is made, because the variance between them is too uncertain.

Cameron, Gelbach & Miller, Rev. Econ. Stat. 90 (2008) 414; docs/reference/coverage.md, "clustered rates".
"""
FEW_CLUSTERS = 30
"""Clusters below which a result has a warning: ADR 7, "Consequences"."""

FEWEST_DISCORDANT = 10
"""Records that differ, below which only bounds that are valid at every sample size are used.

From 10 on, Tango's one-sided bound keeps its error, by enumeration (`ScoreBounds`). Below, McNemar's exact test is
usual.
"""
NUISANCE_SHARE = 0.02
"""Part of the error probability that Berger & Boos' confidence bound for the share of discordant pairs uses."""
RESAMPLES = 2_000
"""Bootstrap resamples of a comparison's second interval, whose limits vary by about 1.5% of its width."""
ASSUMED_DISCORDANCE = 0.10
"""Discordance that is assumed before variants were compared."""
DEFAULT_MARGIN = 0.05
"""Margin of the default gate, for a task that declares no gate."""

CAUTIOUS_ERROR = 0.01
"""Error probability of each bound where an approximate interval is based on few labels, in place of `TAIL_ERROR`."""
FEWEST_LABELED = 10
"""Labeled passes, or failures, below which bounds are conservative.

docs/reference/coverage.md, "rates corrected by people", is the source of this value and the next two.
"""
FEWEST_EFFECTIVE_LABELS = 30
"""Effective labels below which the interval from residuals has too low a coverage; doubled for unequal weights."""
FEWEST_DISSENTING = 3
"""Labels of the rarer outcome within the verdict of most uncertainty, below which bounds are conservative."""
LEAST_DIVISOR = 0.1
"""Lower limit of 1 - 2 x leverage, the divisor of residuals (HC3), so that no single label dominates the variance."""
FEWEST_RANKED = 10
"""Items or clusters below which a rank correlation has no value: Fisher's z needs a few more than 3."""

CASCADE_MARGIN = 0.01
"""Allowed loss of a cascade against the better route, unless a goal is given."""
FEWEST_PAIRED_RECORDS = 40
"""Labeled records of both routes below which no fit is attempted: its two halves would be too small."""
MAX_FALSE_HIT_SHARE = 0.01
"""Default for the acceptable share of false hits of a semantic cache."""
CACHE_FLOOR_SHARE = 0.05
"""Share of nearest neighbors, on the first half, that are not similar enough for a hit where the margin decides."""
MOST_RECORDS = 10_000_000
"""Largest number of records or hits that is reported as needed; above it the result is that none suffices."""

FEWEST_COMPARED_SHOWN = 20
"""Records of a slice below which its comparison is landed but not shown, unless a rule needs it."""
FEWEST_RATED_SHOWN = 5
"""Predictions of a slice below which its reliability is in the views but not on the scorecard."""
