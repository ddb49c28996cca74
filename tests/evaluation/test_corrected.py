"""Rules on rates that human labels correct: with labels of every prediction, the truth; without any, no decision."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from assay.calibration.queries import JUDGED_ANSWERS
from assay.evaluation.evaluation import Evaluation
from assay.labels.csv_import import import_labels
from assay.records.statuses import RuleState
from assay.statistics.labels.corrected_differences import corrected_difference
from assay.statistics.labels.labeled_sample import Calibration, JudgedSample, SamplingDesign
from assay.warehouse.client import Warehouse
from tests.evaluation.scenario import RIGHT, cases, evaluated, evaluated_task, obeying
from tests.fakes.model_endpoint import Asked, ModelEndpoint, Reaction
from tests.runs.bench import Bench
from tests.scoring.judges.scenario import JUDGE_MODEL, SAFE

RULES = [
    {"name": "really_safe", "type": "lower_bound", "metric": "corrected_safe", "at_least": 0.4},
    {"name": "not_less_safe", "type": "no_regression", "metric": "corrected_safe", "margin": 0.1},
]
COUNT, BROKEN = 60, range(6)


def lenient(asked: Asked) -> Reaction:
    """A judge that passes everything; six predictions of the model cannot be parsed."""
    if asked.body["model"] == JUDGE_MODEL:
        return Reaction(text=json.dumps({"explanation": "Fine.", "verdict": "pass"}))
    if any(f"text number {number:05}" in asked.prompt for number in BROKEN):
        return Reaction(text="not JSON")
    return obeying(asked)


def label(bench: Bench, task: str, run_id: str) -> None:
    """An expert labels each prediction of the run that has an output: it is safe if it is right."""
    rows = bench.place.query(
        "select record_id, json_value(output, '$.label') as answer from predictions where run_id = @id "
        "and output is not null",
        id=run_id,
    )
    path = Path(bench.place.root) / "labels.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("record_id", "annotator", "label", "scorer"))
        writer.writerows(
            (row["record_id"], "ana", "pass" if row["answer"] == RIGHT else "fail", "safe") for row in rows
        )
    import_labels(bench.project, bench.project.task(task), path, run_id=run_id)


def by_rule(found: Evaluation) -> dict[str, tuple[RuleState, float | None]]:
    return {o.rule.name: (o.state, o.evidence.value if o.evidence else None) for o in found.verdict.outcomes}


def test_a_lenient_judge_passes_no_rule_that_people_contradict(bench: Bench, name: str, model: ModelEndpoint) -> None:
    model.react = lenient
    task = evaluated_task(
        bench.place, name, cases(COUNT), judges=[SAFE], rules=RULES, right=50, variants={"better": 60}
    )
    first = evaluated(bench, task, candidate="better", champion="default")

    assert {outcome.state for outcome in first.verdict.outcomes} == {RuleState.INCONCLUSIVE}
    assert "no calibration sample and no human labels" in first.verdict.outcomes[0].reason
    assert first.champion is not None
    for side in (first.candidate, first.champion):
        label(bench, task, side.run_id)
    found = evaluated(bench, task, candidate="better", champion="default", is_gate=True)

    right, of_champion = COUNT - len(BROKEN), 50 - len(BROKEN)
    assert by_rule(found) == {
        "really_safe": (RuleState.PASS, pytest.approx(right / COUNT)),
        "not_less_safe": (RuleState.PASS, pytest.approx((right - of_champion) / COUNT)),
    }
    landed = bench.place.query(
        "select metric, scorer, value from estimates where evaluation_id = @id and scorer = 'safe'",
        id=found.evaluation_id,
    )
    values = {row["metric"]: row["value"] for row in landed if row["value"] is not None}
    assert values == pytest.approx({"corrected_rate": right / COUNT, "corrected_difference": 10 / COUNT})


class CountingWarehouse:
    """A warehouse that keeps each statement it streams."""

    def __init__(self, warehouse: Warehouse) -> None:
        self._warehouse, self.streamed = warehouse, list[str]()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._warehouse, name)

    def stream(self, sql: str, *args: Any, **options: Any) -> Any:
        self.streamed.append(sql)
        return self._warehouse.stream(sql, *args, **options)


def test_the_verdicts_of_a_judge_are_read_once_per_variant(bench: Bench, name: str, model: ModelEndpoint) -> None:
    model.react = lenient
    sliced = [{**rule, "name": f"{rule['name']}_sliced", "slice": "kind=a"} for rule in RULES]
    labelled = cases(20, slices=lambda number: {"kind": "ab"[number % 2]})
    task = evaluated_task(
        bench.place, name, labelled, judges=[SAFE], rules=[*RULES, *sliced], right=50, variants={"better": 60}
    )
    counting = CountingWarehouse(bench.project.warehouse)
    project = replace(bench.project, warehouse=counting)

    found = evaluated(SimpleNamespace(project=project), task, candidate="better", champion="default")

    assert counting.streamed.count(JUDGED_ANSWERS.sql) == 2
    assert len(found.verdict.outcomes) == 4 and all(one.evidence is not None for one in found.verdict.outcomes)


def _sample(judge: list[float], labels: list[float]) -> JudgedSample:
    return JudgedSample(
        judge=np.array(judge, dtype=float),
        labels=np.array(labels, dtype=float),
        calibration=Calibration(design=SamplingDesign.CENSUS, frame="all"),
    )


def test_with_labels_of_all_records_the_difference_is_that_of_the_labels() -> None:
    random = np.random.default_rng(4)
    truth = [(random.random(200) < share).astype(float).tolist() for share in (0.8, 0.7)]
    judge = [(random.random(200) < 0.9).astype(float).tolist() for _ in truth]

    found = corrected_difference(*(_sample(said, known) for said, known in zip(judge, truth, strict=True)))

    assert found.labels == 200
    assert found.measured.value == pytest.approx(np.mean(truth[0]) - np.mean(truth[1]), abs=0.02)


def test_a_judge_without_errors_in_the_labels_still_has_a_width() -> None:
    same = [1.0, 0.0] * 60
    found = corrected_difference(_sample(same, same), _sample(same, same)).measured

    assert (found.value, found.method) == (0.0, "mover_of_corrected_rates")
    assert found.low is not None and found.high is not None and found.low < -0.03 and found.high > 0.03


@pytest.mark.parametrize(("candidate", "champion", "shared"), [(0.8, 0.8, 0.7), (0.95, 0.85, 0.5), (0.6, 0.5, 0.8)])
@pytest.mark.parametrize(("sensitivity", "specificity"), [(0.9, 0.8), (0.98, 0.95)])
def test_the_interval_of_a_difference_covers_it(
    candidate: float, champion: float, shared: float, sensitivity: float, specificity: float
) -> None:
    """400 records, 100 of them labeled; the variants find the same records hard with probability `shared`."""
    random, samples, n, labels = np.random.default_rng(7), 150, 400, 100
    covered, corrected, judged = 0, [], []
    for _ in range(samples):
        hard = random.random(n)
        own = np.where(random.random(n) < shared, hard, random.random(n))
        kept = random.permutation(n)[:labels]
        sides = []
        for truth in ((hard < candidate), (own < champion)):
            passed = np.where(truth, random.random(n) < sensitivity, random.random(n) > specificity)
            known = np.full(n, np.nan)
            known[kept] = truth[kept]
            sides.append(
                JudgedSample(
                    judge=passed.astype(float),
                    labels=known,
                    inclusion=np.full(n, labels / n),
                    calibration=Calibration(design=SamplingDesign.RANDOM, frame="all"),
                )
            )
        found = corrected_difference(*sides).measured
        assert found.low is not None and found.high is not None and found.value is not None
        covered += found.low <= candidate - champion <= found.high
        corrected.append(found.value)
        judged.append(float(sides[0].judge.mean() - sides[1].judge.mean()))
    assert covered / samples >= 0.95 - 2 * np.sqrt(0.05 * 0.95 / samples)
    assert np.mean(corrected) == pytest.approx(candidate - champion, abs=0.015)
    expected = (candidate - champion) * (sensitivity + specificity - 1)
    assert np.mean(judged) == pytest.approx(expected, abs=0.01), "the judge alone is biased"
