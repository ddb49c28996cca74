"""Comparisons that MLflow's `genai.compare_evaluations` computes too: the same figures where both methods apply."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from assay.statistics.paired import Pairs, compare
from assay.statistics.paired_bounds import mcnemar_p

PEER: dict[str, Any] = json.loads((Path(__file__).parent / "fixtures" / "mlflow_compare.json").read_text("utf-8"))
MLFLOW_RESAMPLES, MLFLOW_SEED = 10_000, 0


@pytest.mark.parametrize("case", PEER["cases"], ids=lambda case: f"{case['method']}, {case['n_paired']}")
def test_a_comparison_has_mlflows_figures(case: dict[str, Any]) -> None:
    candidate, champion = np.array(case["candidate"]), np.array(case["baseline"])

    found = compare(Pairs(candidate=candidate, champion=champion), resamples=MLFLOW_RESAMPLES, seed=MLFLOW_SEED)

    assert (found.n, found.gains + found.losses) == (case["n_paired"], case["n_nonzero"])
    assert found.difference == pytest.approx(case["diff"], abs=1e-9)
    if case["method"] == "mcnemar_exact":
        assert mcnemar_p(found.gains, found.losses, exact=True) == pytest.approx(case["p_value"], abs=1e-9)
    if case["t_test_p_value"] is not None and found.method == "paired_t":
        assert found.p_value >= case["t_test_p_value"] - 1e-9
    if found.resampled is None:
        # MLflow's interval of a constant difference has no width; here there is none.
        assert case["ci_low"] == case["ci_high"]
    else:
        width = case["ci_high"] - case["ci_low"]
        assert found.resampled == pytest.approx((case["ci_low"], case["ci_high"]), abs=0.02 * width)


def test_where_mlflow_says_certain_there_is_an_interval() -> None:
    """30 gains of 30: MLflow reports [1, 1]; Tango's interval begins at 0.77."""
    (case,) = [case for case in PEER["cases"] if case["ci_low"] == case["ci_high"] == 1.0]

    found = compare(Pairs(candidate=np.array(case["candidate"]), champion=np.array(case["baseline"])))

    assert 0.7 < found.low < 0.9 and found.high == 1.0
