"""Landing rows of runs with clusters, epochs and what nobody scored, and the estimates that the engine lands for them.

Belongs here: making rows, by the helpers of `scenario.py`. What marts make of them is computed in `repeats_expected.py`.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

from assay.inference.request import RunFacts
from assay.records.evaluation import Score
from assay.records.keys import ClusterKey
from assay.scoring.estimates import estimates, is_correct
from assay.scoring.tally import Tallied, Tally
from tests.dbt.scenario import (
    DAY_ONE,
    START,
    PlannedRun,
    Row,
    Scene,
    common,
    record_row,
    response_row,
    run_events,
    task_version_row,
    with_duplicates,
)

TASK = "steady"
SCORERS = {"exact": 1, "judge": 2}
TASK_OF_ENGINE: Any = SimpleNamespace(
    spec=SimpleNamespace(correct=tuple(SCORERS), fallback_counts=False, judges=()),
    versions=SimpleNamespace(golden_set="g1", policy="p1", scorers=dict.fromkeys(SCORERS, "s2")),
    rubrics={},
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SteadyRun(PlannedRun):
    """A run of this scenario; `agreement` is how likely an epoch is as good as its record, the judge sees `judged_share`."""

    task: str = TASK
    population: str = "input"
    rejected: int = 0
    ok_share: float = 0.95
    agreement: float = 1.0
    judged_share: float = 1.0


RUNS = (
    SteadyRun(run_id="s01", size=40, epochs=4, clustered_share=0.7, passing_share=0.6, agreement=0.7),
    SteadyRun(run_id="s02", size=90, variant="clusters", clustered_share=0.6, passing_share=0.7),
    SteadyRun(run_id="s03", size=40, variant="unscored", epochs=3, unscored_share=0.2, agreement=0.8),
    SteadyRun(run_id="s04", size=80, variant="good", passing_share=0.99, ok_share=1.0),
    SteadyRun(run_id="s05", size=60, variant="days", epochs=2, agreement=0.8),
    SteadyRun(run_id="s06", size=60, variant="days", epochs=2, agreement=0.8, day=1),
    SteadyRun(run_id="s07", size=50, variant="edited", clustered_share=0.8),
    SteadyRun(run_id="s08", size=20, variant="edited", inference_version="i9"),
    SteadyRun(run_id="s09", size=70, variant="sampled", judged_share=0.5),
    SteadyRun(run_id="s11", size=45, variant="customers", clustered_share=1.0, passing_share=0.6),
    SteadyRun(run_id="s12", size=60, variant="days", epochs=2, agreement=0.8, day=2, is_cut_short=True),
    SteadyRun(run_id="s10", size=90, epochs=2, population="golden:gate", passing_share=0.5, agreement=0.6),
)


def repeats_rows(seed: int) -> dict[str, list[Row]]:
    """Rows of every table that rates are made of, duplicates among them."""
    rng = random.Random(f"{seed}/repeats")
    rows: dict[str, list[Row]] = {
        name: [] for name in ("task_versions", "runs", "records", "responses", "predictions", "scores", "estimates")
    }
    rows["task_versions"] = [task_version_row(TASK) | {"correct_scorers": list(SCORERS)}]
    for number, run in enumerate(RUNS):
        _add_run(rows, Scene(run, START + timedelta(days=run.day, hours=number / 4), rng), run)
    return {table: with_duplicates(table, table_rows, rng) for table, table_rows in rows.items()}


def _add_run(rows: dict[str, list[Row]], scene: Scene, run: SteadyRun) -> None:
    tally = Tally(SCORERS)
    records = [record_row(scene, f"row{i}", i) for i in range(run.size)]
    rows["records"] += records
    for record in records:
        is_good, is_judged = scene.rng.random() < run.passing_share, scene.rng.random() < run.judged_share
        for epoch in range(run.epochs):
            agrees = scene.rng.random() < run.agreement
            call = response_row(scene, record, epoch, 1)
            prediction = _prediction(scene, record, epoch) | {"call_id": call["call_id"]}
            rows["responses"].append(call)
            scores = list(_scores(scene, prediction, passes=is_good == agrees, is_judged=is_judged))
            rows["predictions"].append(prediction)
            rows["scores"] += scores
            tally.add(_tallied(record, prediction, scores))
    rows["runs"] += run_events(run, run.size * run.epochs, scene.started_at)
    rows["estimates"] += _estimates(scene, tally)


def _prediction(scene: Scene, record: Row, epoch: int) -> Row:
    run, at = scene.run, scene.started_at
    key = f"{run.run_id}/{record['record_id']}/{epoch}"
    rest = (1 - run.ok_share) / 3
    status = scene.rng.choices(
        ("ok", "failed", "invalid_output", "skipped_budget"),
        weights=(run.ok_share, rest, rest, rest * run.is_cut_short),
    )[0]
    return common(run, at + timedelta(minutes=5), key) | {
        **{"prediction_id": key, "request_key": key, "record_id": record["record_id"], "epoch": epoch},
        **{"variant": run.variant, "stage": run.stage, "inference_version": run.inference_version, "input_hash": "h"},
        **{"status": status, "answer_source": "wire" if status == "ok" else None, "calls": 1, "masking_version": "off"},
        **{"route": "first", "started_at": at, "finished_at": at, "end_to_end_ms": 1.0},
    }


def _scores(scene: Scene, prediction: Row, *, passes: bool, is_judged: bool) -> Iterator[Row]:
    if prediction["status"] != "ok":
        return
    is_scored = scene.rng.random() >= scene.run.unscored_share
    yield _score(scene, prediction, "exact", passed=passes if is_scored else None)
    if is_judged:
        said = [passes or scene.rng.random() < 0.1 for _ in range(SCORERS["judge"])]
        for repeat, passed in enumerate(said):
            yield _score(scene, prediction, "judge", passed=passed, judge_epoch=repeat)
        yield _score(scene, prediction, "judge", passed=said[0] if len(set(said)) == 1 else False)


def _score(scene: Scene, prediction: Row, scorer: str, *, passed: bool | None, judge_epoch: int | None = None) -> Row:
    key = f"{prediction['prediction_id']}/{scorer}/{judge_epoch}"
    return common(scene.run, scene.started_at + timedelta(minutes=9), key) | {
        **{"score_id": key, "prediction_id": prediction["prediction_id"], "record_id": prediction["record_id"]},
        **{"epoch": prediction["epoch"], "scorer": scorer, "scorer_kind": "judge" if scorer == "judge" else "check"},
        **{"scorer_version": "s2", "judge_epoch": judge_epoch, "masking_version": "off", "passed": passed},
        **{"value": None if passed is None else float(passed), "status": "unscored" if passed is None else "scored"},
    }


def _tallied(record: Row, prediction: Row, scores: list[Row]) -> Tallied:
    """As the engine counts it; what was not answered was asked of nobody, and is unscored by all."""
    said = [
        Score(**{name: value for name, value in row.items() if name not in ("landed_at", "row_hash")}) for row in scores
    ]
    verdicts: dict[str, Any] = {row.scorer: row for row in said if row.judge_epoch is None}
    is_out = prediction["status"] != "ok"
    return Tallied(
        position=record["position"],
        population=record["population"],
        slices=record["slices"],
        cluster=ClusterKey.of(record["tenant_id"], record["cluster_id"]),
        status=prediction["status"],
        correct=is_correct(TASK_OF_ENGINE, prediction["status"], verdicts),
        is_counted=is_out or len(verdicts) == len(SCORERS),
        verdicts=verdicts,
        votes={"judge": [row for row in said if row.judge_epoch is not None]},
    )


def _estimates(scene: Scene, tally: Tally) -> Iterator[Row]:
    """What the engine lands; an older row of another method beside each, and one of another evaluation."""
    run, at = scene.run, scene.started_at + timedelta(minutes=20)
    facts = RunFacts(
        run_id=run.run_id, task=run.task, data_date=DAY_ONE + timedelta(days=run.day), variant=run.variant,
        stage=run.stage, inference_version=run.inference_version, masking_version="off",
    )  # fmt: skip
    for estimate in estimates(tally, TASK_OF_ENGINE, facts, epochs=run.epochs):
        key = estimate.estimate_id
        newest = asdict(estimate) | {"occurred_at": at, "landed_at": at, "row_hash": key}
        other = {"value": 0.125, "low": 0.1, "high": 0.15, "method": "other", "status": "ok"}
        yield newest
        yield newest | other | {"estimate_id": f"{key}/old", "row_hash": f"{key}/old", "occurred_at": scene.started_at}
        later = {"occurred_at": at + timedelta(days=1), "evaluation_id": "another"}
        yield newest | other | later | {"estimate_id": f"{key}/else", "row_hash": f"{key}/else"}
