"""Thresholds and defaults of the statistics, each with its reason or source.

tests/statistics/test_conventions.py checks that the dbt project uses the same values and that no module states its own.
"""

DEFAULT_TENANT = "default"
"""Tenant of rows whose task declares no tenant column, and of rows that belong to several tenants."""

LEVEL = 0.95
"""Two-sided confidence level of every reported interval: the usual level, as in statsmodels and `binom.test`."""
TAIL_ERROR = (1 - LEVEL) / 2
"""One-sided error rate of each bound of an interval at `LEVEL`."""
ERROR = 0.05
"""Error rate of the one-sided bound of a gate rule, and of a two-sided test: the usual value (Fisher 1925)."""
GATE_LEVEL = 1 - 2 * ERROR
"""Level of the two-sided interval whose bounds are the one-sided bounds at `ERROR` that gate rules use."""
FIRST_LOOK_SHARE = 0.95
"""Share of `ERROR` that a gate spends on its first look at a set of cases; later looks share the rest.

The usual gate decides once, and with this share it hardly differs from a decision at `ERROR`.
"""
POWER = 0.8
"""Power assumed for minimum detectable effects and sample sizes (Cohen, Statistical Power Analysis, 1988)."""
INTERVAL_TITLE = f"{100 * LEVEL:g}% interval"
"""Title of the column that shows intervals at `LEVEL`."""
BOUNDS_TITLE = f"one-sided {100 * (1 - ERROR):g}% bounds"
"""Title of the column that shows the bounds of gate rules."""

MAX_UNSCORED_SHARE = 0.01
"""Largest share of records that the fit of a route may leave out because they could not be scored.

A fit has no worst case for them, unlike a rate (ADR 9); leaving out 1% changes a rate by at most about one point.
"""
FEWEST_OUTCOMES = 5
"""Number of successes or failures below which bounds are exact, because Wilson's coverage falls below its level.

The usual rule for normal approximations (Cochran, Biometrics 10 (1954) 417); docs/reference/coverage.md, "binomial".
"""
WILSON_SKEWNESS = 0.28
"""Skewness of the binomial above which Clopper & Pearson's bounds replace Wilson's.

The skewness is taken at the effective n: |1-2p| / sqrt(n p (1-p)); it is 0.27 for 10 failures in 100. Wilson's bounds
are kept if the design effect is negligible.
"""
RATE_SKEWNESS_SHARE = 0.6
"""Share of the skewness of cluster totals that a one-sided bound of a rate corrects for; the exact bound does the rest.

Chosen by simulation: tests/benchmarks/coverage, family "one-sided rates".
"""
MOST_OF_ONE_CLUSTER = 0.5
"""Share of the rows in one cluster above which no decision is made: the simulated grid goes no further."""
NEGLIGIBLE_DESIGN_EFFECT = 0.6
"""An estimated design effect of at most 1 + this value / sqrt(df) is no evidence of correlation within groups.

Chosen by simulation: tests/benchmarks/coverage, family "clustered rates".
"""
FEWEST_CLUSTERS = 10
"""Number of clusters below which no decision is made, because the variance between clusters is too uncertain.

Cameron, Gelbach & Miller, Rev. Econ. Stat. 90 (2008) 414; docs/reference/coverage.md, "clustered rates".
"""
FEW_CLUSTERS = 30
"""Number of clusters below which a result carries a warning: ADR 7, "Consequences"."""

FEWEST_OF_CLASS = 5
"""Number of records, or of clusters, that should have a class, below which no rule decides on an average over classes.

Chosen by simulation: tests/benchmarks/coverage, family "averages".
"""
MOST_OF_RARE_CLASSES = 0.1
"""Share of the rows that such classes may have together in an average that is weighted by support: same simulation."""

FEWEST_MEASURED = 50
"""Number of records or clusters of equal weight below which no rule decides on a mean of scores without a known range.

Of unequal clusters, it is Kish's effective number.
docs/reference/coverage.md, "One-sided errors of rules on a mean", is the source of this value and the next one.
"""
MEAN_ERROR_SHARE = 0.5
"""Nominal error rate of a one-sided bound of such a mean, as a share of the error rate that it keeps on skewed scores."""

HALL_RANGE = 1.0
"""Largest skewness × statistic for which Hall's transformation is applied to bounds of differences between -1 and 1.

It is an expansion for small values, and infinite in slope at 1: a bound at a small error rate would jump from a few standard
errors to twenty. In simulations of 12 to 40 clusters of which 5 to 10% lose, the limit changes no error rate by more than
0.1 percentage points.
"""

FEWEST_DISCORDANT = 10
"""Number of records that differ below which only bounds that are valid at every sample size are used.

With 10 or more, Tango's one-sided bound keeps its error rate; this was verified by enumeration (`ScoreBounds`). With
fewer, McNemar's exact test is the usual choice.
"""
NUISANCE_SHARE = 0.02
"""Part of the error rate that is spent on Berger & Boos' confidence bound for the share of discordant pairs."""
RESAMPLES = 2_000
"""Number of bootstrap resamples for the second interval of a comparison; its limits vary by about 1.5% of its width."""
ASSUMED_DISCORDANCE = 0.10
"""Discordance that is assumed until variants have been compared."""
DEFAULT_MARGIN = 0.05
"""Margin of the default gate, which applies to a task that declares no gate."""

CAUTIOUS_ERROR = 0.01
"""One-sided error rate, in place of `TAIL_ERROR`, of the bounds of an approximate interval based on few labels."""
FEWEST_LABELED = 10
"""Number of labeled passes, or of labeled failures, below which Rogan–Gladen and residual bounds are conservative.

Below this number of labels in total, every corrected rate is too_few.

docs/reference/coverage.md, "rates corrected by people", is the source of this value and the next two.
"""
FEWEST_EFFECTIVE_LABELS = 30
"""Effective number of labels below which the residual interval undercovers; doubled for unequal weights."""
FEWEST_DISSENTING = 3
"""Number of labels of the rarer outcome in a verdict or stratum below which its bounds are exact."""
FEWEST_IN_STRATUM = 10
"""Number of labels of a stratum below which it is combined with other such strata for the bounds of a rate."""
LEAST_DIVISOR = 0.1
"""Lower limit of 1 - 2 x leverage, the divisor of residuals (HC3), so that no single label dominates the variance."""
FEWEST_RANKED = 10
"""Number of items or clusters below which a rank correlation has no value: Fisher's z needs a few more than 3."""

CASCADE_MARGIN = 0.01
"""Default for the loss of reliability that is accepted in a cascade, compared with the better single route."""
FEWEST_PAIRED_RECORDS = 40
"""Number of labeled records of both routes below which no fit is attempted: each half would be too small."""
MAX_FALSE_HIT_SHARE = 0.01
"""Default for the acceptable share of false hits of a semantic cache."""
CACHE_FLOOR_SHARE = 0.05
"""Share of nearest neighbors in the first half that fall below the similarity floor of a hit if a margin decides."""
MOST_RECORDS = 10_000_000
"""Largest number of records or hits that is reported as needed; above it, the result is that no number suffices."""

FEWEST_IN_SLICE = 10
"""Number of records in a slice, or outside of it, below which the slice is not tested against the rest.

The bounds hold at every number; with fewer, almost no difference can be shown, and each test makes the others weaker.
"""
FEWEST_COMPARED_SHOWN = 20
"""Number of records in a slice below which its comparison is landed but not shown, unless a rule uses it."""
MOST_PAIRS_SHOWN = 15
"""Number of pairs of variants up to which all are shown; above it, those with the first variant of the ranking."""
FEWEST_RATED_SHOWN = 5
"""Number of predictions in a slice below which its reliability is in the views but not on the scorecard."""
