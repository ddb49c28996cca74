"""Landing rows as a messy fortnight would leave them, from a seed: re-runs, crashes, duplicates, gaps.

Belongs here: making rows; those of caches, routes, batches and budgets are in `engine_scenario.py`, of clusters and epochs in `repeats_scenario.py`, of gates in `gate_scenario.py`. What should come of them is computed in `expected.py`, which never looks in here.
"""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

Row = dict[str, Any]
DAY_ONE = date(2026, 3, 2)
START = datetime(2026, 3, 2, 6, tzinfo=UTC)
JSON_COLUMNS = ("scorer_versions", "templates", "output_schema", "parameters", "routes", "checks", "thresholds")
ANSWERED = ("ok", "repaired", "fallback")
CACHED = ("exact_cache", "reused")


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedRun:
    """What a run of the scenario is like; shares are probabilities of each prediction."""

    run_id: str
    task: str
    size: int
    day: int = 0
    population: str = "golden:gate"
    variant: str = "default"
    stage: str = "beta"
    inference_version: str = "i1"
    status: str = "completed"
    epochs: int = 1
    landed_share: float = 1.0
    clustered_share: float = 0.0
    unscored_share: float = 0.0
    passing_share: float = 0.85
    ok_share: float = 0.8
    model: str = "small"
    rejected: int = 2
    limit: int | None = None
    is_cut_short: bool = False
    second_chances: float = 0.0


@dataclass(frozen=True, slots=True)
class Scene:
    """A planned run, when it starts, and what decides its accidents."""

    run: PlannedRun
    started_at: datetime
    rng: random.Random


RUNS = (
    PlannedRun(run_id="r01", task="tickets", size=60),
    PlannedRun(run_id="r02", task="tickets", size=60, day=1),
    PlannedRun(run_id="r03", task="tickets", size=55, day=1),
    PlannedRun(run_id="r04", task="tickets", size=60, day=1, status="failed", landed_share=0.5),
    PlannedRun(run_id="r05", task="tickets", size=50, population="input", clustered_share=0.6),
    PlannedRun(run_id="r06", task="tickets", size=50, population="input", status="interrupted", landed_share=0.7),
    PlannedRun(run_id="r07", task="tickets", size=40, population="input", day=1, status="running", landed_share=0.4),
    PlannedRun(run_id="r08", task="tickets", size=40, variant="short", inference_version="i2", unscored_share=0.3),
    PlannedRun(run_id="r09", task="extract", size=30, population="golden:dev", stage="shadow", epochs=3),
    PlannedRun(run_id="r10", task="extract", size=40, population="input", model="unlisted"),
    PlannedRun(run_id="r11", task="extract", size=45, population="input", day=1, inference_version="i3", ok_share=0.5),
    PlannedRun(run_id="r12", task="chat", size=20, population="input"),
    PlannedRun(run_id="r13", task="extract", size=8, inference_version="i4"),
    PlannedRun(run_id="r14", task="tickets", size=25, variant="bad", inference_version="i5", passing_share=0.0),
    PlannedRun(run_id="r15", task="tickets", size=300, stage="ga", population="input", unscored_share=0.004),
    PlannedRun(run_id="r16", task="tickets", size=5, day=2, rejected=0, limit=5),
    PlannedRun(run_id="r17", task="tickets", size=60, day=3, is_cut_short=True),
    PlannedRun(run_id="r18", task="tickets", size=30, day=2, population="input", limit=100),
    PlannedRun(run_id="r19", task="tickets", size=60, day=4, population="input", second_chances=0.4),
    PlannedRun(run_id="r20", task="extract", size=40, day=4, population="input", second_chances=0.4),
    PlannedRun(run_id="r21", task="tickets", size=60, day=5, population="perturbed", passing_share=0.0),
)
SCORERS = {"tickets": ("exact", "judge"), "extract": ("exact",), "chat": ("exact",)}
STATUSES = ("fallback", "refused", "invalid_output", "failed", "skipped_budget")


def landing_rows(seed: int) -> dict[str, list[Row]]:
    """Rows for every landing table but contents and golden cases, duplicates among them."""
    rng = random.Random(seed)
    rows: dict[str, list[Row]] = {
        name: []
        for name in (
            "task_versions",
            "runs",
            "records",
            "rejected_records",
            "responses",
            "predictions",
            "scores",
        )
    }
    rows["task_versions"] = [task_version_row(task) for task in ("tickets", "extract", "chat")]
    for number, run in enumerate(RUNS):
        _add_run(rows, Scene(run, START + timedelta(days=run.day, hours=number / 4), rng))
    return {table: with_duplicates(table, table_rows, rng) for table, table_rows in rows.items()}


def _add_run(rows: dict[str, list[Row]], scene: Scene) -> None:
    run, rng, started_at = scene.run, scene.rng, scene.started_at
    prefix = "row" if run.population == "input" else "case"
    records = [record_row(scene, f"{prefix}{i}", i) for i in range(run.size)]
    rows["records"] += records
    for i in range(run.rejected):
        rows["rejected_records"].append(
            common(run, started_at, f"{run.run_id}/rejected/{i}")
            | {"position": run.size + i, "reason": "missing_id", "explanation": "no id", "raw_hash": "h"}
        )
    n_predictions = 0
    for record in records:
        for epoch in range(run.epochs):
            if rng.random() < run.landed_share:
                n_predictions += 1
                _add_prediction(rows, scene, record, epoch)
    rows["runs"] += run_events(run, n_predictions, started_at)


def _add_prediction(rows: dict[str, list[Row]], scene: Scene, record: Row, epoch: int) -> None:
    run, rng, started_at = scene.run, scene.rng, scene.started_at
    key = f"{run.run_id}/{record['record_id']}/{epoch}"
    status = rng.choices(("ok", "repaired", *STATUSES), weights=_weights(run))[0]
    source = rng.choice(("wire", "wire", "wire", "exact_cache", "reused")) if status in ("ok", "repaired") else None
    earlier = [row for row in rows["predictions"] if row["task"] == run.task and row["run_id"] != run.run_id]
    origin = _origin(earlier, source, rng)
    source = "wire" if source in CACHED and origin is None else source
    n_calls = 0 if source in CACHED or status == "skipped_budget" else 1 + (status == "repaired")
    calls = [response_row(scene, record, epoch, attempt) for attempt in range(1, n_calls + 1)]
    rows["responses"] += calls
    first: Row = {}
    if run.second_chances and rng.random() < run.second_chances:
        first_status = "ok" if source == "reused" else rng.choice(("failed", "invalid_output", "fallback"))
        first = {
            "first_prediction_id": _first(earlier, key, run, rng),
            "first_status": first_status,
            "first_finished_at": started_at,
        }
    rows["predictions"].append(
        common(run, started_at + timedelta(minutes=5), key)
        | {
            **{"prediction_id": key, "request_key": key, "record_id": record["record_id"], "epoch": epoch},
            **{"variant": run.variant, "stage": run.stage, "inference_version": run.inference_version},
            **{
                "input_hash": "h",
                "status": status,
                "answer_source": source,
                "calls": n_calls,
                "masking_version": "off",
            },
            **{"route": "first", "call_id": calls[-1]["call_id"] if source == "wire" else origin},
            "error_type": rng.choice(("timeout", "server", None)) if status in ("failed", "invalid_output") else None,
            **{
                "started_at": started_at,
                "finished_at": started_at,
                "end_to_end_ms": round(rng.lognormvariate(6, 0.7), 3),
            },
            **first,
        }
    )
    if status in ANSWERED:
        for scorer in SCORERS[run.task]:
            rows["scores"] += _scores(scene, key, record, epoch, scorer)


def _origin(earlier: list[Row], source: str | None, rng: random.Random) -> str | None:
    """The call of an earlier run whose answer a cached or reused prediction has; None if no earlier run has one."""
    calls = [row["call_id"] for row in earlier if row["answer_source"] == "wire"]
    return rng.choice(calls) if source in CACHED and calls else None


def _first(earlier: list[Row], key: str, run: PlannedRun, rng: random.Random) -> str:
    """The prediction with the first outcome, which in one run is no longer landed."""
    firsts = [row["prediction_id"] for row in earlier if row.get("first_prediction_id") is None]
    return rng.choice(firsts) if run.task == "tickets" else f"earlier/{key}"


def _weights(run: PlannedRun) -> list[float]:
    others = len(STATUSES) if run.is_cut_short else len(STATUSES) - 1
    rest = [(1 - run.ok_share) / others] * others
    return [run.ok_share * 0.9, run.ok_share * 0.1, *rest, *([0.0] * (len(STATUSES) - others))]


def _scores(scene: Scene, key: str, record: Row, epoch: int, scorer: str) -> list[Row]:
    run, rng, started_at = scene.run, scene.rng, scene.started_at
    found = []
    for repeat in range(2 if scorer == "judge" else 1):
        is_scored = rng.random() >= run.unscored_share
        passed = rng.random() < run.passing_share if is_scored else None
        score = common(run, started_at + timedelta(minutes=9), f"{key}/{scorer}/{repeat}") | {
            **{
                "score_id": f"{key}/{scorer}/{repeat}",
                "prediction_id": key,
                "record_id": record["record_id"],
                "epoch": epoch,
            },
            **{"scorer": scorer, "scorer_kind": "judge" if scorer == "judge" else "check", "scorer_version": "s2"},
            **{"judge_epoch": repeat if scorer == "judge" else None, "masking_version": "off"},
            **{"value": float(passed) if passed is not None else None, "passed": passed},
            "status": "scored" if is_scored else rng.choice(("unscored", "failed", "refused")),
        }
        found.append(score)
    if scorer == "judge" and (verdict := _verdict(found)) is not None:
        found.append(verdict)
    if rng.random() < 0.1:  # what an older version of the scorer once said
        old = found[0] | {
            "score_id": f"{key}/{scorer}/old",
            "scorer_version": "s1",
            "status": "scored",
            "passed": False,
            "value": 0.0,
        }
        found.append(old | {"occurred_at": started_at, "row_hash": f"{key}/{scorer}/old"})
    return found


def _verdict(opinions: list[Row]) -> Row | None:
    """What two opinions of a judge come to: a pass of both; where one is missing, nothing that is scored, or nothing at all."""
    said = [opinion["passed"] for opinion in opinions]
    key = opinions[0]["score_id"].removesuffix("/0")
    verdict = opinions[0] | {"score_id": key, "row_hash": key, "judge_epoch": None}
    if None not in said:
        return verdict | {"status": "scored", "passed": all(said), "value": float(all(said))}
    return None if said[0] is None else verdict | {"status": "unscored", "passed": None, "value": None}


def response_row(scene: Scene, record: Row, epoch: int, attempt: int) -> Row:
    run, rng, started_at = scene.run, scene.rng, scene.started_at
    call_id = f"{run.run_id}/{record['record_id']}/{epoch}/call{attempt}"
    kind = rng.choices(("known", "unknown", "rate_limited"), weights=(0.94, 0.02, 0.04))[0]
    is_priced, used = run.model != "unlisted", kind == "known"
    tokens = rng.randint(50, 900)
    price = Decimal(tokens) / Decimal(1_000_000)
    return common(run, started_at + timedelta(minutes=4), call_id) | {
        **{
            "call_id": call_id,
            "request_key": f"{run.run_id}/{record['record_id']}/{epoch}",
            "record_id": record["record_id"],
            "epoch": epoch,
            "attempt": attempt,
        },
        **{"purpose": "judge" if rng.random() < 0.1 else "answer", "route": "first", "provider": "local"},
        **{
            "request_model": run.model,
            "status": "ok" if used else "error",
            "started_at": started_at,
            "is_batch": False,
        },
        **{
            "error_type": None if used else "timeout",
            "latency_ms": round(rng.lognormvariate(5, 0.5), 3) if used else None,
        },
        **{"input_tokens": tokens if used else None, "output_tokens": 20 if used else None},
        **{"uncached_input_tokens": tokens - 10 if used else None, "cached_input_tokens": 10 if used else None},
        **{"answer_tokens": 15 if used else None, "reasoning_tokens": 5 if used else None},
        **{"billing": "unknown" if kind == "unknown" else "known", "cost_usd": price if used and is_priced else None},
        "cost_upper_usd": price * 2 if kind == "unknown" and is_priced else None,
        **{"reference_model": "large", "reference_cost_usd": price * 30 if used else None},
    }


def record_row(scene: Scene, record_id: str, position: int) -> Row:
    run, rng, started_at = scene.run, scene.rng, scene.started_at
    return common(run, started_at, f"{run.run_id}/{record_id}") | {
        **{
            "record_id": record_id,
            "position": position,
            "population": run.population,
            "input": "{}",
            "input_hash": "h",
        },
        "cluster_id": f"customer{rng.randint(0, 9)}" if rng.random() < run.clustered_share else None,
        "slices": [f"lang={rng.choice(('de', 'en', 'fr'))}", *(["vip=yes"] if rng.random() < 0.2 else [])],
        **{"masked_entities": 0, "masking_version": "off"},
    }


def run_events(run: PlannedRun, n_predictions: int, started_at: datetime) -> list[Row]:
    shared = {
        **{"purpose": "perturb" if run.population == "perturbed" else "eval"},
        **{"variant": run.variant, "stage": run.stage, "task_version_id": f"{run.task}-v1"},
        **{"inference_version": run.inference_version, "golden_set_version": "g1", "policy_version": "p1"},
        **{
            "epochs": run.epochs,
            "rows_read": run.size + run.rejected,
            "rows_rejected": run.rejected,
            "records": run.size,
        },
        **{"expected_predictions": run.size * run.epochs, "code_version": "1"},
        "config": "{}" if run.limit is None else json.dumps({"limit": run.limit}),
    }
    started = common(run, started_at, f"{run.run_id}/started") | shared | {"event": "started", "status": "running"}
    if run.status == "running":
        return [started]
    ended = common(run, started_at + timedelta(minutes=10), f"{run.run_id}/finished") | shared
    return [started, ended | {"event": "finished", "status": run.status, "predictions": n_predictions, "calls": 1}]


def task_version_row(task: str) -> Row:
    return {
        **{"data_date": DAY_ONE, "occurred_at": START, "landed_at": START, "row_hash": task, "tenant_id": "default"},
        **{"task": task, "task_version_id": f"{task}-v1", "inference_version": "i1", "golden_set_version": "g1"},
        **{
            "policy_version": "p1",
            "variant": "default",
            "code_version": "1",
            **dict.fromkeys(JSON_COLUMNS, "{}"),
            "checks": "[]",
        },
        "correct_scorers": [] if task == "chat" else list(SCORERS.get(task, ())),
        "fallback_counts": task == "extract",
        **({"sla_latency_ms": 500, "sla_share": 0.6} if task == "tickets" else {}),
    }


def common(run: PlannedRun, at: datetime, row_hash: str) -> Row:
    return {
        **{"data_date": DAY_ONE + timedelta(days=run.day), "occurred_at": at, "landed_at": at + timedelta(seconds=2)},
        **{"row_hash": row_hash, "tenant_id": "default", "run_id": run.run_id, "task": run.task},
    }


SPOILED: Mapping[str, Row] = {
    "predictions": {"status": "failed", "end_to_end_ms": 99999.0},
    "responses": {"cost_usd": Decimal(1), "latency_ms": 99999.0},
    "records": {"population": "input", "slices": ["lang=xx"]},
    "runs": {"status": "failed", "rows_read": 0},
    "scores": {"status": "scored", "passed": True},
    "batches": {"requests": 999, "estimate_usd": Decimal(9)},
    "budget_entries": {"amount_usd": Decimal(99), "task_cap_usd": Decimal(1)},
    "comparisons": {"difference": 0.9, "low": 0.8, "high": 1.0, "gains": 0},
    "gates": {"decision": "PASS", "rules": "[]"},
    "golden_cases": {"split": "gate", "expected": "{}"},
}
"""What the losing copy of a duplicate says, so that keeping the wrong one changes a figure."""
LATEST_WINS = ("runs", "scores", "estimates", "answer_counts", "batches", "budget_entries", "comparisons", "gates")


def with_duplicates(table: str, rows: list[Row], rng: random.Random) -> list[Row]:
    step = timedelta(seconds=-1 if table in LATEST_WINS else 1)
    copies = [
        row | SPOILED.get(table, {}) | {"landed_at": row["landed_at"] + step, "row_hash": f"{row['row_hash']}/copy"}
        for row in rows
        if rng.random() < 0.15
    ]
    everything = [*rows, *copies]
    rng.shuffle(everything)
    return everything
