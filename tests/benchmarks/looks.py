"""Do the bounds of clustered rates keep the small error rates of later looks? Beta-binomial clusters at the floor.

    python -m tests.benchmarks.looks [--samples 20000]

Prints, for each kind of clusters, how often a rule at the true rate passes at 1%, 0.5% and at looks 2 and 3, divided by that
error rate. Ends with 1 when one share is above its error rate by more than three standard errors. About 10 minutes of CPU.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Sequence
from itertools import product

import numpy as np

from assay.statistics.looks import look_at
from assay.statistics.rate_bounds import bounds_of
from assay.statistics.sampling import Groups
from tests.benchmarks.coverage.cells import generator
from tests.benchmarks.coverage.clustered import Case, answers, cluster_codes

ERRORS = (0.01, 0.005, look_at(2, planned=None).error, look_at(3, planned=None).error)
CASES = product((10, 20, 50), ("even", "uneven"), (0.8, 0.95), (0.1, 0.3))


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints a line for each kind of clusters; 0 when every error rate is kept, 1 when not."""
    parser = argparse.ArgumentParser(description="One-sided errors of clustered rates at small error rates.")
    parser.add_argument("--samples", type=int, default=20_000)
    samples: int = parser.parse_args(arguments).samples
    kept = True
    for clusters, sizes, rate, correlation in CASES:
        case = Case(clusters=clusters, sizes=sizes, rate=rate, correlation=correlation)
        shares = passing(case, samples)
        excess = [
            (share - error) / math.sqrt(error * (1 - error) / samples)
            for share, error in zip(shares, ERRORS, strict=True)
        ]
        kept = kept and max(excess) <= 3
        ratios = " ".join(f"{error:.3%}: {share / error:.2f}" for share, error in zip(shares, ERRORS, strict=True))
        sys.stdout.write(f"{clusters:>3} clusters, {sizes:<6} rate {rate}, icc {correlation}: {ratios}\n")
        sys.stdout.flush()
    return int(not kept)


def passing(case: Case, samples: int) -> list[float]:
    """The share of samples whose lower bound reaches the true rate, at each error rate."""
    random, passed = generator(f"looks {case}"), np.zeros(len(ERRORS))
    for _ in range(samples):
        codes = cluster_codes(random, case)
        bounds = bounds_of(answers(random, case, codes), Groups(codes, np.ones(len(codes)), case.clusters, True, False))
        for place, error in enumerate(ERRORS):
            if bounds.lower(error) < case.rate:
                break
            passed[place] += 1
    return (passed / samples).tolist()


if __name__ == "__main__":
    sys.exit(main())
