"""Each threshold is stated once: dbt has the same values, and no module that computes states a number of its own."""

from __future__ import annotations

import ast
import re

import pytest
import yaml
from scipy.stats import norm

from assay.statistics import conventions
from tests.architecture.source import Module, modules
from tests.paths import ROOT

DBT = ROOT / "dbt_project"
COMPUTING = ("statistics", "scoring", "evaluation", "calibration", "tuning", "report")
HALF = 0.5
PRECISION = 1e-6
"""Smaller literals are the rounding noise of the arithmetic."""
NO_THRESHOLDS = {
    "cost_ratio_gate.py": {"STEPS", "WIDEST"},
    "mean_power.py": {"FAR", "SAMPLES", "SEARCH_SAMPLES", "SEED", "MOST_RESAMPLED"},
    "averages.py": {"MOST_NAMED"},
    "effects.py": {"ROUNDS"},
    "agreement.py": {"MOST_VALUES"},
    "bootstrap.py": {"DRAWN_AT_ONCE"},
    "calibrate.py": {"CHUNK_ROWS"},
    "estimates.py": {"TOLERANCE"},
    "classes.py": {"MOST_CLASSES", "MOST_CONFUSED"},
    "counts.py": {"MOST_LABELS", "MOST_TEXTS", "FIRST_WITHOUT"},
    "fields.py": {"REMEMBERED"},
    "looks.py": {"UNCOUNTED"},
    "slices.py": {"MOST_DRAWN"},
    "exact_tests.py": {"NUISANCE_POINTS", "SPREAD", "BISECTIONS", "REMEMBERED"},
    "judge_bias.py": {"PREFERS"},
    "paired_bounds.py": {"NO_SKEWNESS"},
    "power.py": {"SPREAD", "SAMPLES", "SEARCH_SAMPLES", "SEED", "TINY", "MOST_SIMULATED"},
    "prompts.py": {"FENCE_CHARACTERS"},
    "rate_bounds.py": {"SMALLEST_ERROR", "LARGEST_ERROR"},
    "render.py": {"BAR_WIDTH", "BAR_HEIGHT", "MOST_CHARACTERS"},
    "repeats.py": {"ALWAYS_SHOWN", "ALSO_SHOWN"},
    "run.py": {"SHORT_HASH", "SHORT_COMMIT"},
    "sampling.py": {"PLACES", "ROUNDING"},
    "score_stage.py": {"CHUNK_PREDICTIONS", "CHUNK_ESTIMATES", "OWNER_ONLY"},
    "scorecard.py": {"WRONG_SHOWN", "MOST_TRIED"},
    "source.py": {"AT_ONCE"},
    "tally.py": {"UNSCORED", "MEASURED", "LEFT_OUT", "NO_OUTPUT", "OF_FALLBACK", "SHARED"},
    "threshold.py": {"EXIT_CODES", "CANDIDATES", "DIGITS", "KEEP_ALL", "ESCALATE_ALL", "LOGITS", "GRID"},
    "tune.py": {"SEED", "MIN_QUESTIONS", "TEXTS_AT_ONCE"},
    "verdict.py": {"EXIT_CODES"},
    "gate_rules.py": {"EXIT_CODES"},
    "verdicts.py": {"EXPLANATION_CHARACTERS"},
    "wrong.py": {"LONGEST_TEXT"},
}
"""Sizes of chunks and tables, codes, the precision of a computation, layout: no decision changes with them."""


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("fewest_outcomes", conventions.FEWEST_OUTCOMES),
        ("error", conventions.ERROR),
    ],
)
def test_the_dbt_project_has_the_same_thresholds(variable: str, value: float) -> None:
    assert yaml.safe_load((DBT / "dbt_project.yml").read_text(encoding="utf-8"))["vars"][variable] == value


def test_wilsons_interval_in_sql_has_the_same_level() -> None:
    macro = re.sub(r"\{#.*?#\}", "", (DBT / "macros" / "wilson_bound.sql").read_text(encoding="utf-8"), flags=re.DOTALL)

    quantiles = [float(text) for text in re.findall(r"\d+\.\d+", macro)]

    assert quantiles == [pytest.approx(norm.ppf(1 - conventions.TAIL_ERROR), abs=1e-14)] * 3


def test_no_model_states_a_number_of_outcomes_or_a_share() -> None:
    stated = re.compile(r"(n_\w+|share|rate)\)? *(<|>|<=|>=) *(?!0\b|1\b)\d")
    assert [path.name for path in sorted(DBT.rglob("models/**/*.sql")) if stated.search(path.read_text("utf-8"))] == []


def test_no_module_that_computes_states_a_share_of_its_own() -> None:
    found = [
        f"{module.name}:{node.lineno} {node.value}"
        for module in computing()
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Constant)
        and isinstance(node.value, float)
        and PRECISION < node.value < 1
        and node.value != HALF
    ]
    assert found == []


def test_no_module_that_computes_names_a_threshold_of_its_own() -> None:
    found = [
        f"{module.name} {name}"
        for module in computing()
        for name in numeric_constants(module)
        if name not in NO_THRESHOLDS.get(module.name.rpartition("/")[2], set())
    ]
    assert found == []


def computing() -> list[Module]:
    """Every module of the packages that compute, but the one that states the conventions."""
    rooms = [f"assay/{name}" for name in COMPUTING]
    return [module for module in modules(*rooms) if not module.name.endswith("/conventions.py")]


def numeric_constants(module: Module) -> list[str]:
    """Names of the module's constants whose value is made of a number."""
    return [
        name.id
        for statement in module.tree.body
        if isinstance(statement, ast.Assign) and any(map(_is_number, ast.walk(statement.value)))
        for target in statement.targets
        for name in ast.walk(target)
        if isinstance(name, ast.Name)
    ]


def _is_number(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and type(node.value) in (int, float)
