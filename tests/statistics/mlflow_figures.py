"""Figures of MLflow's `genai.compare_evaluations`, regenerated into fixtures/mlflow_compare.json.

    uv venv /tmp/peer && uv pip install --python /tmp/peer/bin/python numpy scipy pandas
    uv pip install --python /tmp/peer/bin/python --no-deps mlflow==3.18.0
    /tmp/peer/bin/python tests/statistics/mlflow_figures.py > tests/statistics/fixtures/mlflow_compare.json

MLflow has an environment of its own. Only the module that compares is imported, without the package around it, because the
pages it needs pull in a tracking client.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import json
import sys
from pathlib import Path
from types import ModuleType

import numpy as np

COMPARISON = "mlflow.genai.evaluation.comparison"
BINARY = ((40, 4, 1), (60, 2, 8), (120, 9, 9), (200, 20, 3), (300, 14, 40), (1000, 100, 61), (50, 0, 0), (30, 30, 0))
"""Records, gains, losses."""
NUMERIC = ((12, 0.0), (40, 0.1), (80, -0.05), (300, 0.02))
"""Records, mean difference of scores between 0 and 1."""


def binary(n: int, gains: int, losses: int) -> tuple[list[float], list[float]]:
    """Baseline and candidate with these counts, in a mixed order."""
    order = np.random.default_rng(n).permutation(n)
    candidate = np.array([1.0] * gains + [0.0] * losses + [1.0] * (n - gains - losses))[order]
    baseline = np.array([0.0] * gains + [1.0] * losses + [1.0] * (n - gains - losses))[order]
    return baseline.tolist(), candidate.tolist()


def numeric(n: int, difference: float) -> tuple[list[float], list[float]]:
    """Baseline and candidate with scores between 0 and 1, to four digits."""
    random = np.random.default_rng(n)
    baseline = random.beta(4, 2, n)
    candidate = np.clip(baseline + random.normal(difference, 0.15, n), 0, 1)
    return np.round(baseline, 4).tolist(), np.round(candidate, 4).tolist()


def main() -> None:
    """Writes the figures of every case as JSON."""
    root = Path(str(importlib.metadata.distribution("mlflow").locate_file("mlflow")))
    names = ("mlflow", "mlflow.genai", "mlflow.genai.evaluation", COMPARISON)
    for name in names:
        package = ModuleType(name)
        package.__path__ = [str(root.joinpath(*name.split(".")[1:]))]
        sys.modules[name] = package
    entities = ModuleType(f"{COMPARISON}.entities")
    entities.ScorerComparison = lambda **fields: fields  # type: ignore[attr-defined]
    sys.modules[entities.__name__] = entities
    compare = importlib.import_module(f"{COMPARISON}.paired_comparison")._compare_paired_values
    cases = []
    for kind, make, settings in (("binary", binary, BINARY), ("numeric", numeric, NUMERIC)):
        for setting in settings:
            baseline, candidate = make(*setting)
            found = compare("s", np.array(baseline), np.array(candidate), value_type=kind)
            kept = ("n_paired", "diff", "ci_low", "ci_high", "method", "p_value", "t_test_p_value", "n_nonzero")
            cases.append({"baseline": baseline, "candidate": candidate, **{name: found[name] for name in kept}})
    version = importlib.metadata.version("mlflow")
    sys.stdout.write(json.dumps({"mlflow": version, "cases": cases}, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
