"""Landing rows of evaluations: comparisons, decisions with their rules, golden sets that change, and the runs that asked them.

Belongs here: making rows, by the helpers of `scenario.py`. What marts make of them is computed in `gate_expected.py`.
"""

from __future__ import annotations

import json
import random
from datetime import timedelta
from typing import Any

from tests.dbt.scenario import START, PlannedRun, Row, Scene, common, run_events, task_version_row, with_duplicates

TASKS = ("gated", "guarded")
GOLDEN_SETS = {
    ("gated", "g1"): {"a": ("gate", 1), "b": ("gate", 2), "d": ("dev", 3)},
    ("gated", "g2"): {"a": ("gate", 1), "b": ("gate", 2), "e": ("dev", 4)},
    ("gated", "g3"): {"a": ("gate", 1), "b": ("gate", 9), "d": ("dev", 3)},
    ("gated", "g4"): {"a": ("gate", None), "b": ("gate", 2)},
    ("gated", "g5"): {"d": ("dev", 3)},
    ("gated", "g6"): {"a": ("gate", 1)},
    ("guarded", "g1"): {"a": ("gate", 1), "b": ("gate", 2)},
}
"""Task and version to each case's split and expected answer; nobody asks g6."""
SOURCES = ("golden:gate@{}", "golden@{}", "golden:dev@{}", "rows.csv")
TYPES = ("lower_bound", "no_regression", "cost_per_correct", "latency", "judge_calibrated", "golden_cases")
STATES = ("pass", "fail", "inconclusive", "waived", "reported")


def gate_rows(seed: int) -> dict[str, list[Row]]:
    """Rows of every table that gates are made of, duplicates among them."""
    rng = random.Random(f"{seed}/gates")
    rows: dict[str, list[Row]] = {
        "task_versions": [task_version_row(task) for task in TASKS],
        "golden_cases": [row for place in GOLDEN_SETS for row in _golden_cases(*place)],
        "runs": [row for number in range(60) for row in _run(number, rng)],
        "comparisons": [
            *(row for number in range(40) for row in _comparisons(number, rng)),
            *(row for number in range(0, 40, 2) for row in _robustness(number, random.Random(f"{seed}/{number}"))),
        ],
        "gates": [_gate(number, rng) for number in range(40)],
    }
    return {table: with_duplicates(table, table_rows, rng) for table, table_rows in rows.items()}


def _golden_cases(task: str, version: str) -> list[Row]:
    at = START + timedelta(hours=int(version[1:]))
    return [
        {
            **{"data_date": at.date(), "occurred_at": at, "landed_at": at, "row_hash": f"{task}/{version}/{case}"},
            **{"tenant_id": "default", "task": task, "golden_set_version": version, "case_id": case, "split": split},
            **{"input": '{"text":"why"}', "slices": [], "masking_version": "off"},
            "expected": None if expected is None else json.dumps({"label": expected}, separators=(",", ":")),
        }
        for case, (split, expected) in GOLDEN_SETS[task, version].items()
    ]


def _run(number: int, rng: random.Random) -> list[Row]:
    task, version = rng.choice([place for place in GOLDEN_SETS if place[1] != "g6"])
    run = PlannedRun(
        run_id=f"g{number:02}",
        task=task,
        size=0,
        rejected=0,
        stage="shadow",
        inference_version=f"i{rng.randint(1, 4)}",
        status=rng.choice(("completed", "completed", "completed", "failed", "interrupted", "running")),
    )
    asked = {"golden_set_version": version, "input_source": rng.choice(SOURCES).format(version)}
    scene = Scene(run, START + timedelta(days=4, minutes=number), rng)
    return [event | asked for event in run_events(run, 0, scene.started_at)]


def _comparisons(number: int, rng: random.Random) -> list[Row]:
    evaluation = f"e{number:02}"
    shared = _decided(evaluation, number, rng) | {
        **{"candidate_run_id": f"{evaluation}/new", "champion_run_id": f"{evaluation}/old", "status": "ok"},
        **{"champion_variant": "default", "champion_inference_version": "i0"},
    }
    places = [(metric, name) for metric in ("reliability", "exact") for name in ("overall", "lang=de", "lang=fr")]
    return [
        shared | _figures(rng) | {"comparison_id": key, "row_hash": key, "metric": metric, "slice": name}
        for metric, name in rng.sample(places, rng.randint(1, len(places)))
        for key in [f"{evaluation}/{metric}/{name}"]
    ]


def _robustness(number: int, rng: random.Random) -> list[Row]:
    """Perturbed input against original input of the same version, later than the comparison of variants."""
    evaluation = f"e{number:02}"
    shared = _decided(evaluation, number, rng) | {
        **{"candidate_run_id": f"{evaluation}/perturbed", "champion_run_id": f"{evaluation}/new", "status": "ok"},
        **{"champion_variant": "default", "champion_inference_version": "i0", "population": "perturbed"},
    }
    return [
        shared | _figures(rng) | {"comparison_id": key, "row_hash": key, "metric": "reliability", "slice": "overall"}
        | {"perturbation": kind, "adjusted_p": rng.choice((0.0, 0.04, 0.05, 0.06, 1.0)), "n_left_out": rng.randint(0, 9)}
        for kind in rng.sample(("typos", "case", "markup"), 2)
        for key in [f"{evaluation}/{kind}"]
    ]  # fmt: skip


def _figures(rng: random.Random) -> Row:
    n, difference = rng.randint(1, 300), rng.uniform(-0.2, 0.2)
    half = rng.uniform(0.01, 0.2)
    gains = rng.randint(0, n // 2)
    is_asked = rng.random() < 0.4
    return {
        **{"n": n, "gains": gains, "losses": rng.randint(0, n - gains), "n_unscored": 0, "n_left_out": 1},
        **{"clusters": rng.choice((None, 12)), "candidate_rate": 0.5 + difference, "champion_rate": 0.5},
        **{"difference": difference, "low": difference - half, "high": difference + half, "p_value": rng.random()},
        **{"lower": difference - 0.8 * half, "upper": difference + 0.8 * half, "detectable": 1.4 * half},
        **{"margin": 0.05 if is_asked else None, "needed": rng.randint(50, 5000) if is_asked else None},
        **_family(difference, half, rng),
        **{"method": "score", "status": rng.choice(("ok", "warning", "inconclusive")), "reason": None},
    }


def _family(difference: float, half: float, rng: random.Random) -> Row:
    """A pair of several variants has wider bounds; a comparison with a champion has none of them."""
    if rng.random() < 0.5:
        return dict.fromkeys(("adjusted_p", "simultaneous_low", "simultaneous_high", "family_size"))
    low, high = difference - 1.5 * half, difference + 1.5 * half
    return {"adjusted_p": rng.random(), "simultaneous_low": low, "simultaneous_high": high, "family_size": 3}


def _gate(number: int, rng: random.Random) -> Row:
    has_champion = rng.random() < 0.7
    row = _decided(f"e{number:02}", number, rng)
    rules = [_rule(kind, row, rng) for kind in rng.sample(TYPES, rng.randint(1, len(TYPES)))]
    return row | {
        **{"gate_id": f"gate{number:02}", "row_hash": f"gate{number:02}", "candidate_run_id": "new"},
        **{"decision": rng.choice(("PASS", "FAIL", "INCONCLUSIVE")), "stage": rng.choice(("shadow", "beta", "ga"))},
        **{"on_inconclusive": "block", "is_blocking": rng.random() < 0.5, "candidate_task_version_id": "v1"},
        **{"candidate_git_sha": None, "champion_git_sha": None, "rules": json.dumps(rules), "decided_by": "tests"},
        **{"champion_variant": "default" if has_champion else None, "champion_run_id": "old" if has_champion else None},
        "champion_inference_version": "i0" if has_champion else None,
    }


def _rule(kind: str, row: Row, rng: random.Random) -> dict[str, Any]:
    state, waiver = rng.choice(STATES), None
    if state == "waived" or rng.random() < 0.4:
        days = rng.randint(0, 5) if state == "waived" else rng.randint(-3, 3)
        expires = row["occurred_at"].date() + timedelta(days=days)
        waiver = {"owner": "ana", "reason": "known, see #1", "expires": expires.isoformat()}
    is_known = rng.random() < 0.8
    return {
        **{"name": f"rule_{kind}", "type": kind, "metric": "reliability", "slice": "overall", "bar": 0.8},
        **{"state": state, "unwaived": "fail" if state == "waived" else state, "reason": f"because of {kind}"},
        **{"value": rng.random() if is_known else None, "lower": 1e-7 if is_known else None, "upper": None},
        **{"n": rng.randint(0, 200), "method": "wilson", "status": "ok", "adjusted_p": rng.choice((None, 0.04))},
        **{"estimate_ids": rng.choice(([], ["x1"], ["x1", "x2"])), "waiver": waiver},
    }


def _decided(evaluation: str, number: int, rng: random.Random) -> Row:
    """What comparisons and decisions of an evaluation have in common."""
    run = PlannedRun(run_id="", task=rng.choice(TASKS), size=0, day=4)
    at = START + timedelta(days=5, hours=rng.randint(0, 400), minutes=number)
    shared = common(run, at, evaluation)
    del shared["run_id"]
    return shared | {
        **{"evaluation_id": evaluation, "population": rng.choice(("golden:gate", "golden:dev")), "code_version": "1"},
        **{"candidate_variant": rng.choice(("default", "short")), "candidate_inference_version": "i1"},
        **{"golden_set_version": "g1", "policy_version": "p1"},
    }
