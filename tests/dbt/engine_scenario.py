"""Landing rows of runs with several routes, caches, batches and caps, from a seed.

Belongs here: making rows, by the helpers of `scenario.py`. What should come of them is computed in `engine_expected.py`.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import orjson

from tests.dbt.scenario import (
    START,
    PlannedRun,
    Row,
    Scene,
    common,
    record_row,
    run_events,
    task_version_row,
    with_duplicates,
)

TASKS = ("routed", "batched")
RUNS = (
    PlannedRun(run_id="e01", task="routed", size=60, population="input", rejected=0),
    PlannedRun(run_id="e02", task="routed", size=80, population="input", rejected=0, day=1),
    PlannedRun(run_id="e03", task="routed", size=25, population="input", rejected=0, day=2, model="unlisted"),
    PlannedRun(run_id="e04", task="batched", size=50, population="input", rejected=0, day=2),
    PlannedRun(run_id="e05", task="batched", size=20, population="input", rejected=0, day=3, status="running"),
    PlannedRun(run_id="e06", task="routed", size=40, population="input", rejected=0, day=29),
)
CACHED = ("exact_cache", "semantic_cache", "reused")
REASONS = ("low_confidence", "no_confidence", "check:short", "unscored:short", "timeout", "invalid_output")
ROUTES = ("cheap", "middle", "strong")
PRICES = {"cheap": Decimal("0.0000011"), "middle": Decimal("0.000007"), "strong": Decimal("0.00003")}
NANO = Decimal("0.000000001")


@dataclass(slots=True)
class Stage:
    """The rows so far, and the paid calls that later runs may take answers from."""

    rows: dict[str, list[Row]]
    paid: list[str] = field(default_factory=list)


def engine_rows(seed: int) -> dict[str, list[Row]]:
    """Rows of every table that the engine's own facts are in, duplicates among them."""
    rng = random.Random(f"{seed}/engine")
    tables = ("task_versions", "runs", "records", "responses", "predictions", "batches", "budget_entries")
    stage = Stage({name: [] for name in tables})
    stage.rows["task_versions"] = [task_version_row(task) for task in TASKS]
    for number, run in enumerate(RUNS):
        _add_run(stage, Scene(run, START + timedelta(days=run.day, hours=number / 4), rng))
    return {table: with_duplicates(table, rows, rng) for table, rows in stage.rows.items()}


def _add_run(stage: Stage, scene: Scene) -> None:
    run, rng = scene.run, scene.rng
    records = [record_row(scene, f"row{i}", i) for i in range(run.size)]
    stage.rows["records"] += records
    landed = records if run.status == "completed" else records[: run.size // 2]
    for record in landed:
        if run.run_id != "e01" and run.task == "routed" and rng.random() < 0.5:
            _add_cached(stage, scene, record)
        else:
            _add_asked(stage, scene, record)
    if run.run_id in ("e02", "e06"):
        stage.rows["responses"] += [_embedding(scene, i) for i in range(6)]
    if run.task == "batched":
        stage.rows["batches"] += _batches(scene)
    stage.rows["runs"] += run_events(run, len(landed), scene.started_at)
    stage.rows["budget_entries"] += _leases(scene)


def _add_asked(stage: Stage, scene: Scene, record: Row) -> None:
    """A prediction that some routes were asked for, of which the last has answered or none."""
    run, rng = scene.run, scene.rng
    is_batched = run.task == "batched"
    depth = 1 if is_batched and rng.random() < 0.8 else rng.choices((1, 2, 3), weights=(6, 3, 1))[0]
    is_answered = rng.random() < 0.92
    began = scene.started_at + timedelta(hours=rng.uniform(0, 30 if run.day == 29 else 1))
    calls = [
        _call(scene, record, began, route=route, attempt=attempt)
        for route in ROUTES[:depth]
        for attempt in range(1, 2 + (rng.random() < 0.2))
    ]
    if is_batched:
        calls[0] |= {"is_batch": True, "latency_ms": None, "service_tier": "batch"}
    stage.rows["responses"] += calls
    last = calls[-1]
    if is_answered:
        stage.paid.append(last["call_id"])
    escalations = [{"route": name, "reason": rng.choice(REASONS), "confidence": None} for name in ROUTES[: depth - 1]]
    routing = {"routes": list(ROUTES), "escalations": escalations, "confidence": 0.5}
    has_choice = run.run_id != "e06" or rng.random() < 0.7
    is_priced = has_choice and run.model != "unlisted" and rng.random() < 0.95
    answered = {
        "status": "ok",
        "answer_source": "wire",
        "route": ROUTES[depth - 1],
        "call_id": last["call_id"],
        "counterfactual_cost_usd": (Decimal(last["input_tokens"] or 50) * PRICES["strong"]).quantize(NANO)
        if is_priced
        else None,
        "routing": orjson.dumps(routing).decode() if has_choice else None,
    }
    failed = {"status": "failed", "error_type": "timeout"}
    _add_prediction(stage, scene, record, {"calls": len(calls), **(answered if is_answered else failed)})


def _add_cached(stage: Stage, scene: Scene, record: Row) -> None:
    source = scene.rng.choice(CACHED)
    call_id = "never landed" if scene.rng.random() < 0.02 else scene.rng.choice(stage.paid)
    said = {"status": "ok", "answer_source": source, "call_id": call_id, "route": scene.rng.choice(ROUTES), "calls": 0}
    _add_prediction(stage, scene, record, said)


def _add_prediction(stage: Stage, scene: Scene, record: Row, said: Mapping[str, Any]) -> None:
    run, key = scene.run, f"{scene.run.run_id}/{record['record_id']}"
    stage.rows["predictions"].append(
        {
            **common(run, scene.started_at + timedelta(minutes=5), key),
            **{"prediction_id": key, "request_key": key, "record_id": record["record_id"], "epoch": 0},
            **{"variant": run.variant, "stage": run.stage, "inference_version": run.inference_version},
            **{"input_hash": "h", "masking_version": "off", "started_at": scene.started_at},
            **{"finished_at": scene.started_at, "end_to_end_ms": round(scene.rng.lognormvariate(6, 0.7), 3)},
            **said,
        }
    )


def _call(scene: Scene, record: Row, began: datetime, *, route: str, attempt: int) -> Row:
    run, rng = scene.run, scene.rng
    call_id = f"{run.run_id}/{record['record_id']}/{route}/{attempt}"
    kind = rng.choices(("known", "unknown", "refused"), weights=(0.94, 0.03, 0.03))[0]
    tokens, used = rng.randint(50, 900), kind == "known"
    price = (Decimal(tokens) * PRICES[route]).quantize(NANO)
    is_priced = run.model != "unlisted" or route != "strong"
    cost = price if used and is_priced else Decimal(0) if kind == "refused" else None
    return common(run, began + timedelta(minutes=4), call_id) | {
        **{"call_id": call_id, "request_key": f"{run.run_id}/{record['record_id']}", "record_id": record["record_id"]},
        **{"epoch": 0, "attempt": attempt, "purpose": "answer" if attempt == 1 else "repair", "route": route},
        **{"provider": "hosted", "request_model": f"{route}-{run.model}", "status": "ok" if used else "error"},
        **{"started_at": began, "latency_ms": round(rng.lognormvariate(5, 0.5), 3), "is_batch": False},
        **{"input_tokens": tokens if used else None, "output_tokens": 20 if used else None},
        **{"uncached_input_tokens": tokens - 30 if used else None, "cached_input_tokens": 30 if used else None},
        **{"billing": "unknown" if kind == "unknown" else "known", "cost_usd": cost},
        "cost_upper_usd": price * 2 if kind == "unknown" and is_priced else None,
        **{"reference_model": "large", "reference_cost_usd": price * 30 if used else None},
    }


def _embedding(scene: Scene, number: int) -> Row:
    run, rng = scene.run, scene.rng
    call_id, tokens = f"{run.run_id}/embedding/{number}", rng.randint(100, 2000)
    is_priced = run.run_id != "e06" or number > 0
    return common(run, scene.started_at + timedelta(minutes=1), call_id) | {
        **{"call_id": call_id, "request_key": "", "record_id": "", "epoch": 0, "attempt": 1, "purpose": "embedding"},
        **{"route": "semantic_cache", "provider": "hosted", "request_model": "vectors", "status": "ok"},
        **{"started_at": scene.started_at, "latency_ms": round(rng.uniform(5, 40), 3), "is_batch": False},
        **{"input_tokens": tokens, "output_tokens": 0, "uncached_input_tokens": tokens, "cached_input_tokens": 0},
        **{"billing": "known", "cost_usd": (Decimal(tokens) * Decimal("0.00000002")).quantize(NANO)},
        **({} if is_priced else {"cost_usd": None}),
    }


def _batches(scene: Scene) -> list[Row]:
    """Batches in every state; each state's row repeats what the earlier ones said."""
    rng, found = scene.rng, []
    for number, last in enumerate(("landed", "landed", "abandoned", "submitted", "intent", "finished")):
        if scene.run.status == "completed" and last not in ("landed", "abandoned"):
            continue
        requests = rng.randint(5, 30)
        answered = rng.randint(0, requests)
        failed = rng.randint(0, requests - answered)
        at = scene.started_at + timedelta(minutes=number)
        row = {
            **{"chunk_hash": f"{scene.run.run_id}/batch{number}", "provider": "hosted" if number % 2 else "other"},
            **{"request_model": "cheap-small", "route": "cheap", "requests": requests, "first_position": 0},
            **{"first_epoch": 0, "last_position": requests - 1, "last_epoch": 0},
            "estimate_usd": Decimal(requests) / 1000 if number != 5 else None,
        }
        ended = at + timedelta(minutes=rng.randint(2, 600))
        counts = {"lines_answered": answered, "lines_failed": failed, "lines_missing": requests - answered - failed}
        steps: dict[str, Row] = {
            "intent": {},
            "abandoned": {"reason": "never sent"},
            "submitted": {"submitted_at": at + timedelta(minutes=1), "provider_batch_id": "b"},
            "finished": {"finished_at": ended, "provider_status": rng.choice(("completed", "expired"))},
            "landed": counts,
        }
        path = ("intent", "abandoned") if last == "abandoned" else ("intent", "submitted", "finished", "landed")
        for step, state in enumerate(path[: path.index(last) + 1]):
            row = row | steps[state]
            reached = common(scene.run, at + timedelta(minutes=step), f"{row['chunk_hash']}/{state}")
            found.append(reached | row | {"state": state})
    return found


def _leases(scene: Scene) -> list[Row]:
    """Leases that were settled, expired, or are still open; e01 has no caps and so none."""
    run, rng, found = scene.run, scene.rng, []
    for number in range(0 if run.run_id == "e01" else 3):
        at = scene.started_at + timedelta(minutes=number)
        lease = {
            **{"lease_id": f"{run.run_id}/lease{number}", "month": at.date().replace(day=1), "is_expired": False},
            **{"run_cap_usd": Decimal(number + 1), "task_cap_usd": Decimal(rng.randint(1, 9))},
            "month_cap_usd": Decimal(rng.randint(10, 99)) if run.task == "routed" else None,
        }
        for sequence in range(1, rng.randint(2, 4)):
            amount = Decimal(rng.randint(1, 500)) / 1000
            grown = common(run, at + timedelta(seconds=sequence), f"{lease['lease_id']}/{sequence}")
            found.append(grown | lease | {"event": "reserve", "sequence": sequence, "amount_usd": amount})
        if number == 2 and run.day > 2:
            continue
        settled = common(run, at + timedelta(minutes=9), f"{lease['lease_id']}/settle") | lease
        settled |= {"event": "settle", "sequence": 0, "amount_usd": Decimal(rng.randint(1, 400)) / 1000}
        gone = {"is_expired": True, "run_cap_usd": None, "task_cap_usd": None, "month_cap_usd": None}
        found.append(settled | (gone if number == 1 else {}))
    return found
