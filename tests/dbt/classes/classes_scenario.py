"""Landing rows of the classes of runs: counts and estimates of one run that was scored twice, and of another field.

Belongs here: making rows. What marts make of them is computed in `classes_expected.py`.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import product

from assay.statistics.classes.classification import classification
from tests.dbt.scenario import DAY_ONE, START, Row, with_duplicates

RUNS = (("r01", "tickets", "golden:gate"), ("r10", "extract", "input"))
CLASSES = ("billing", "delivery", "other")
STATUSES = ("failed", "refused", "no_value")
SLICES = ("overall", "lang=fr")


def classes_rows(seed: int) -> dict[str, list[Row]]:
    """Rows of `answer_counts` and `estimates`, duplicates among them."""
    rng = random.Random(f"{seed}/classes")
    counts = [row for run in RUNS for row in _counts(*run, rng=rng)]
    estimates = [row for run in RUNS for row in (*_estimates(*run, rng=rng), *_averages(*run, counts=counts))]
    return {
        "answer_counts": with_duplicates("answer_counts", counts, rng),
        "estimates": with_duplicates("estimates", estimates, rng),
    }


def _counts(run_id: str, task: str, population: str, *, rng: random.Random) -> Iterator[Row]:
    """The counts of two scorings; a class of the first is not in the second."""
    for hours, classes in ((1, (*CLASSES, "gone")), (2, CLASSES)):
        for name in SLICES:
            for expected in (*classes, None):
                for answered in classes:
                    yield _count(run_id, task, population, name, expected, answered, "answered", hours=hours, rng=rng)
                for status in STATUSES:
                    yield _count(run_id, task, population, name, expected, None, status, hours=hours, rng=rng)


def _count(
    run_id: str,
    task: str,
    population: str,
    name: str,
    expected: str | None,
    answered: str | None,
    status: str,
    *,
    hours: int,
    rng: random.Random,
) -> Row:
    key = f"{run_id}/{name}/{expected}/{answered}/{status}"
    return {
        **_common(run_id, task, population, name, at=START + timedelta(hours=hours), key=f"{key}/{hours}"),
        **{"answer_count_id": key, "field": "label", "scorer": "label_right", "scorer_version": "1"},
        **{"expected": expected, "answered": answered, "status": status, "n": rng.randint(1, 40)},
    }


def _estimates(run_id: str, task: str, population: str, *, rng: random.Random) -> Iterator[Row]:
    for name in SLICES:
        for label in CLASSES:
            for metric in ("precision", "recall", "f1"):
                value = rng.random()
                bounds = {"value": value, "low": value / 2, "high": (1 + value) / 2, "n": 30}
                details = {"support": rng.randint(1, 20), "predicted": rng.randint(1, 20)}
                yield _estimate(run_id, task, population, name, {"metric": metric, "label": label, **bounds}, details)


def _averages(run_id: str, task: str, population: str, *, counts: list[Row]) -> Iterator[Row]:
    """What the engine lands as averages over the classes of the second scoring."""
    newest = START + timedelta(hours=2)
    for name in SLICES:
        cells = [row for row in counts if (row["run_id"], row["slice"], row["occurred_at"]) == (run_id, name, newest)]
        known = [row for row in cells if row["expected"] is not None for _ in range(row["n"])]
        found = classification([row["expected"] for row in known], [row["answered"] for row in known])
        for average, metric in product(("macro", "weighted"), ("precision", "recall", "f1")):
            measured = getattr(getattr(found, average), metric)
            own = {column: getattr(measured, column) for column in ("value", "low", "high", "n")}
            named = {"metric": f"{average}_{metric}", "label": None, **own}
            yield _estimate(run_id, task, population, name, named, {"classes": len(found.classes)})


def _estimate(run_id: str, task: str, population: str, name: str, own: Row, details: Row) -> Row:
    key = f"{run_id}/{name}/{own['label']}/{own['metric']}"
    return {
        **_common(run_id, task, population, name, at=START + timedelta(hours=2), key=key),
        **{"estimate_id": key, "evaluation_id": run_id, "kind": "run", "level": 0.95, **own},
        **{"method": "effective_n_wilson", "status": "ok", "golden_set_version": "g", "policy_version": "p"},
        **{"scorer": "label_right", "scorer_version": "1", "code_version": "0", "details": json.dumps(details)},
    }


def _common(run_id: str, task: str, population: str, name: str, *, at: datetime, key: str) -> Row:
    return {
        **{"data_date": DAY_ONE, "occurred_at": at, "landed_at": at, "row_hash": key, "tenant_id": "default"},
        **{"run_id": run_id, "task": task, "inference_version": "i1", "population": population, "slice": name},
    }
