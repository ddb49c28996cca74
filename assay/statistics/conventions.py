"""Every threshold and default of the statistics, once, with its reason or source.

tests/statistics/test_conventions.py holds the dbt project to the same values, and finds a number stated elsewhere.
"""

DEFAULT_TENANT = "default"
"""Tenant of rows whose task names no tenant column, and of rows that belong to several tenants."""

LEVEL = 0.95
"""Two-sided confidence level of every reported interval: the usual one, as in statsmodels and `binom.test`."""
TAIL_ERROR = (1 - LEVEL) / 2
"""Error of each bound of an interval at `LEVEL`."""
ERROR = 0.05
"""Error of a one-sided bound that a rule is decided on, and of a two-sided test: the usual one (Fisher 1925)."""
GATE_LEVEL = 1 - 2 * ERROR
"""Level of a two-sided interval whose bounds are each one-sided bounds at `ERROR`, which gate rules ask for."""
POWER = 0.8
"""Power of minimum detectable effects and of sample sizes: the usual one (Cohen, Statistical Power Analysis, 1988)."""
INTERVAL_TITLE = f"{100 * LEVEL:g} % interval"
"""Title of the column that shows intervals at `LEVEL`."""
BOUNDS_TITLE = f"one-sided {100 * (1 - ERROR):g} % bounds"
"""Title of the column that shows the bounds of gate rules."""

MAX_UNSCORED_SHARE = 0.01
"""Unscored share up to which unscored rows are left out; above it the bounds are those of the worst and the best case.

ADR 4. Leaving out 1 % moves a rate by about one point at most.
"""
FEWEST_OUTCOMES = 5
"""Fewer successes or failures than this get exact bounds: Wilson's interval no longer keeps its level.

The usual rule for normal approximations (Cochran, Biometrics 10 (1954) 417); docs/reference/coverage.md, "binomial".
"""
WILSON_SKEWNESS = 0.28
"""Skewness of the binomial at the effective n, |1-2p| / sqrt(n p (1-p)), above which Clopper and Pearson's bounds take
Wilson's place, unless rows are as good as independent: as with 10 failures of 100."""
NEGLIGIBLE_DESIGN_EFFECT = 0.6
"""A design effect of up to 1 + this / sqrt(df), as estimated, is no sign that the rows of a group are correlated.

Chosen by simulation: tests/benchmarks/coverage, family "clustered rates".
"""
FEWEST_CLUSTERS = 10
"""Clusters below which no decision is made: the variance between so few is not known well enough.

Cameron, Gelbach & Miller, Rev. Econ. Stat. 90 (2008) 414; docs/reference/coverage.md, "clustered rates".
"""
FEW_CLUSTERS = 30
"""Clusters below which a result has a warning: ADR 7, "Consequences"."""

FEWEST_DISCORDANT = 10
"""Records that differ, below which only bounds that hold at every sample size are given.

From 10 on Tango's one-sided bound keeps its error, by enumeration (`ScoreBounds`); McNemar's exact test is usual below.
"""
NUISANCE_SHARE = 0.02
"""Part of the error that Berger and Boos' confidence bound for the share of discordant pairs takes."""
RESAMPLES = 2_000
"""Bootstrap resamples behind the second interval of a comparison, whose limits vary by about 1.5 % of its width."""
ASSUMED_DISCORDANCE = 0.10
"""Share of records on which two variants are assumed to differ where none were compared yet."""
DEFAULT_MARGIN = 0.05
"""Loss of reliability that the gate of a task without one of its own allows."""

CAUTIOUS_ERROR = 0.01
"""Error of each bound where an approximate interval rests on few labels, in place of `TAIL_ERROR`."""
FEWEST_LABELLED = 10
"""Labelled passes, or failures, below which bounds are conservative.

docs/reference/coverage.md, "rates corrected by people", holds for this and the next two.
"""
FEWEST_EFFECTIVE_LABELS = 30
"""Effective labels below which the interval from residuals covers less than its level; twice that with unequal weights."""
FEWEST_DISSENTING = 3
"""Labels on the rarer side in the verdict that decides most, below which bounds are conservative."""
LEAST_DIVISOR = 0.1
"""Lower limit of 1 - 2 x leverage, by which residuals are divided (HC3): no single label decides the variance."""
FEWEST_RANKED = 10
"""Items or clusters below which a rank correlation has no value: Fisher's z needs a few more than 3."""

CASCADE_MARGIN = 0.01
"""How far a cascade may be below the better route where no goal is given."""
FEWEST_PAIRED_RECORDS = 40
"""Labelled records of both routes below which no split into halves can show anything."""
MAX_FALSE_HIT_SHARE = 0.01
"""False hits of a semantic cache that are acceptable where nothing else is asked for."""
CACHE_FLOOR_SHARE = 0.05
"""Share of nearest neighbours, on the first half, that are not similar enough for a hit where the margin decides."""
MOST_RECORDS = 10_000_000
"""Largest number of records, or of hits, that is stated as needed; beyond it the answer is that none would do."""

FEWEST_COMPARED_SHOWN = 20
"""Records of a slice below which its comparison is landed but not shown, unless a rule asks for it."""
FEWEST_RATED_SHOWN = 5
"""Predictions of a slice below which its reliability is in the views but not on the scorecard."""
