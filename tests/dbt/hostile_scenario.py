"""Landing rows of hostile runs: two tenants with equal cluster ids, fallbacks, failures, failed judges, a spent budget.

Belongs here: making rows, by the helpers of `scenario.py`, and the estimates that the engine lands for them. What every
report must state of them is computed in `test_hostile.py`.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

from assay.inference.request import RunFacts
from assay.records.evaluation import Score
from assay.records.keys import ClusterKey
from assay.scoring.estimates import estimates, is_correct, is_counted
from assay.scoring.tally import Tallied, Tally
from tests.dbt.scenario import (
    DAY_ONE,
    START,
    PlannedRun,
    Row,
    Scene,
    common,
    response_row,
    run_events,
    task_version_row,
)

TENANTS = ("north", "south")
SCORERS = {"exact": 1, "schema": 1, "tone": 1, "words": 1}
REQUIRED = ("exact", "tone")
SHARES = {
    **{"ok": 60, "repaired": 8, "fallback": 9, "invalid_output": 6},
    **{"failed": 7, "refused": 3, "skipped_budget": 7},
}
SLA_MS, SLA_SHARE = 500, 0.6


@dataclass(frozen=True, slots=True, kw_only=True)
class HostileRun(PlannedRun):
    """A run of this scenario; the judge `tone` scores `judged_share` of its records."""

    rejected: int = 0
    judged_share: float = 1.0
    is_clustered: bool = False
    is_out_of_budget: bool = False


RUNS = (
    HostileRun(run_id="h00", task="hostile_plain", size=30, population="input", inference_version="i0", ok_share=1.0),
    HostileRun(run_id="h01", task="hostile_plain", size=240, population="golden:gate", day=1),
    HostileRun(run_id="h02", task="hostile_lenient", size=240, population="golden:gate", day=1, is_out_of_budget=True),
    HostileRun(run_id="h03", task="hostile_clusters", size=320, population="golden:gate", day=1, is_clustered=True),
    HostileRun(run_id="h04", task="hostile_sampled", size=260, population="input", day=1, judged_share=0.6),
)
TASKS = tuple(dict.fromkeys(run.task for run in RUNS))


def engine_task(name: str) -> Any:
    """The task as the engine sees it."""
    sample = 0.6 if name == "hostile_sampled" else None
    return SimpleNamespace(
        name=name,
        spec=SimpleNamespace(
            correct=REQUIRED,
            fallback_counts=name == "hostile_lenient",
            judges=(SimpleNamespace(name="tone", sample=sample),),
        ),
        versions=SimpleNamespace(golden_set="g1", policy="p1", scorers=dict.fromkeys(SCORERS, "s2")),
        rubrics={},
        result_kinds={},  # as for custom checks, which do not state what they give
    )


def hostile_rows(seed: int) -> dict[str, list[Row]]:
    """Rows of every table that the reports of these runs are made of."""
    rng = random.Random(f"{seed}/hostile")
    tables = ("task_versions", "runs", "records", "responses", "predictions", "scores", "estimates")
    rows: dict[str, list[Row]] = {name: [] for name in tables}
    rows["task_versions"] = [_task_version(name) for name in TASKS]
    for number, run in enumerate(RUNS):
        _add_run(rows, Scene(run, START + timedelta(days=run.day, hours=number / 4), rng), run)
    return rows


def _task_version(name: str) -> Row:
    task = engine_task(name)
    checks = [{"name": scorer} for scorer in SCORERS if scorer != "tone"]
    declared = [*checks, {"name": "tone", "sample": task.spec.judges[0].sample}]
    return task_version_row(name) | {
        **{"checks": json.dumps(declared), "correct_scorers": list(REQUIRED)},
        **{"fallback_counts": task.spec.fallback_counts, "sla_latency_ms": SLA_MS, "sla_share": SLA_SHARE},
    }


def _add_run(rows: dict[str, list[Row]], scene: Scene, run: HostileRun) -> None:
    tally, task = Tally(SCORERS), engine_task(run.task)
    for position in range(run.size):
        record = _record(scene, run, position)
        prediction = _prediction(rows, scene, record)
        scores = list(_scores(scene, prediction, is_judged=scene.rng.random() < run.judged_share))
        rows["records"].append(record)
        rows["predictions"].append(prediction)
        rows["scores"] += scores
        tally.add(_tallied(task, record, prediction, scores))
    rows["runs"] += run_events(run, run.size, scene.started_at)
    at = scene.started_at + timedelta(minutes=20)
    facts = RunFacts(
        run_id=run.run_id, task=run.task, data_date=DAY_ONE + timedelta(days=run.day), variant=run.variant,
        stage=run.stage, inference_version=run.inference_version, masking_version="off",
    )  # fmt: skip
    for estimate in estimates(tally, task, facts, epochs=1):
        key = estimate.estimate_id
        rows["estimates"].append(asdict(estimate) | {"occurred_at": at, "landed_at": at, "row_hash": key})


def _record(scene: Scene, run: HostileRun, position: int) -> Row:
    """A record of one of the tenants, which name their clusters alike."""
    record_id = f"{run.run_id}r{position}"
    return common(run, scene.started_at, f"{run.run_id}/{record_id}") | {
        **{
            "record_id": record_id,
            "position": position,
            "population": run.population,
            "tenant_id": TENANTS[position % 2],
        },
        **{"input": "{}", "input_hash": "h", "masked_entities": 0, "masking_version": "off"},
        "cluster_id": f"c{position // 2 % 20}" if run.is_clustered else None,
        "slices": [f"kind={scene.rng.choice('ab')}"],
    }


def _prediction(rows: dict[str, list[Row]], scene: Scene, record: Row) -> Row:
    """A prediction; one in ten with an output is reused from the first run, whose latency and cost it then has."""
    run, rng, at = scene.run, scene.rng, scene.started_at + timedelta(minutes=5)
    key = f"{run.run_id}/{record['record_id']}"
    shares = SHARES | ({} if run.is_out_of_budget else {"skipped_budget": 0})
    status = "ok" if run.ok_share == 1 else rng.choices(tuple(shares), weights=tuple(shares.values()))[0]
    origins = [row for row in rows["predictions"] if row["run_id"] == "h00" and row["task"] == run.task]
    is_answered, is_asked = status in ("ok", "repaired"), status != "skipped_budget"
    is_reused = is_answered and run.run_id != "h00" and bool(origins) and rng.random() < 0.1
    call = response_row(scene, record, 0, 1) | {
        "tenant_id": record["tenant_id"],
        "request_key": key,
        "purpose": "answer",
    }
    if is_asked and not is_reused:
        call |= {"cost_usd": Decimal(rng.randint(1, 900)) / 1_000_000, "billing": "known", "cost_upper_usd": None}
        rows["responses"].append(call)
    latency_ms = round(rng.lognormvariate(6, 0.7), 3) if is_asked and rng.random() < 0.97 else None
    return common(run, at, key) | {
        **{"prediction_id": key, "request_key": key, "record_id": record["record_id"], "epoch": 0, "input_hash": "h"},
        **{"tenant_id": record["tenant_id"], "variant": run.variant, "stage": run.stage, "status": status},
        **{"inference_version": run.inference_version, "calls": int(is_asked and not is_reused), "route": "first"},
        "answer_source": "reused" if is_reused else "wire" if is_answered else None,
        "call_id": rng.choice(origins)["call_id"] if is_reused else call["call_id"] if is_answered else None,
        **{"masking_version": "off", "started_at": at, "finished_at": at, "end_to_end_ms": latency_ms},
    }


def _scores(scene: Scene, prediction: Row, *, is_judged: bool) -> Iterator[Row]:
    """As the engine scores every landed prediction; `words` gives a number without pass or fail."""
    rng, status = scene.rng, prediction["status"]
    if status not in ("ok", "repaired", "fallback"):
        said: dict[str, tuple[str, bool | None]] = dict.fromkeys(SCORERS, ("unscored", None))
    else:
        judge = rng.choices(("scored", "failed", "unscored", "refused"), weights=(80, 10, 6, 4))[0]
        said = {
            "exact": ("scored", rng.random() < 0.8) if rng.random() < 0.95 else ("unscored", None),
            "tone": (judge, rng.random() < 0.85 if judge == "scored" else None),
            "words": ("scored", None),
        }
    if status in ("ok", "repaired", "fallback", "invalid_output"):
        said["schema"] = ("scored", status in ("ok", "repaired"))
    for scorer, (outcome, passed) in said.items():
        if scorer != "tone" or is_judged:
            yield _score(scene, prediction, scorer, outcome=outcome, passed=passed)


def _score(scene: Scene, prediction: Row, scorer: str, *, outcome: str, passed: bool | None) -> Row:
    key = f"{prediction['prediction_id']}/{scorer}"
    value = 7.0 if scorer == "words" and outcome == "scored" else None if passed is None else float(passed)
    return common(scene.run, scene.started_at + timedelta(minutes=9), key) | {
        **{"score_id": key, "prediction_id": prediction["prediction_id"], "record_id": prediction["record_id"]},
        **{"tenant_id": prediction["tenant_id"], "epoch": 0, "scorer": scorer, "scorer_version": "s2", "value": value},
        **{"scorer_kind": "judge" if scorer == "tone" else "check", "judge_epoch": 0 if scorer == "tone" else None},
        **{"annotator": "one" if scorer == "tone" else None, "masking_version": "off"},
        **{"passed": passed, "status": outcome},
    }


def _tallied(task: Any, record: Row, prediction: Row, scores: list[Row]) -> Tallied:
    verdicts: dict[str, Any] = {
        row["scorer"]: Score(**{name: value for name, value in row.items() if name not in ("landed_at", "row_hash")})
        for row in scores
    }
    return Tallied(
        position=record["position"],
        population=record["population"],
        slices=record["slices"],
        cluster=ClusterKey.of(record["tenant_id"], record["cluster_id"]),
        status=prediction["status"],
        correct=is_correct(task, prediction["status"], verdicts),
        is_counted=is_counted(task, verdicts),
        verdicts=verdicts,
        votes={},
    )
