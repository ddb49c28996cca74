"""Reads two runs of a task and pairs the outcomes of their routes: correctness, confidence and cost."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from assay.errors import UsageError
from assay.inference.routing import landed_confidence, stated_confidence
from assay.records.keys import ClusterKey, InputKey
from assay.records.statuses import ANSWERED
from assay.scoring.estimates import is_correct
from assay.scoring.landed_scores import LandedVerdict, read_verdicts
from assay.statistics.conventions import MAX_UNSCORED_SHARE
from assay.tasks.spec import LOGPROB, RouteSpec
from assay.tasks.task import Task
from assay.tuning.cascade.threshold import NEVER_KEPT, RoutePair
from assay.tuning.queries import ROUTE_ANSWERS, ROUTE_RUN
from assay.warehouse.client import Warehouse

GOLDEN = "golden"


@dataclass(frozen=True, slots=True)
class RoutedPrediction:
    """The columns of a landed prediction, and its verdicts by scorer."""

    columns: Mapping[str, Any]
    scores: Mapping[str, LandedVerdict]

    def is_correct(self, task: Task) -> bool | None:
        """As `estimates.is_correct`, but also None if a scorer of `correct` has not landed a score yet."""
        if any(name not in self.scores for name in task.spec.correct):
            return None
        return is_correct(task, self.columns["status"], self.scores)


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteRun:
    """A completed run whose predictions all come from one route."""

    run_id: str
    task: Task
    route: RouteSpec
    predictions: Mapping[InputKey, RoutedPrediction]


@dataclass(frozen=True, slots=True)
class PairedRuns:
    """Scored records that both runs have in common; `left_out` counts all others by reason."""

    pairs: tuple[RoutePair, ...]
    left_out: Mapping[str, int]


def read_route_run(warehouse: Warehouse, which: str, *, name: str, load: Callable[[str], Task]) -> RouteRun:
    """Returns the run with the id `which`, or the latest completed run of the variant `which`.

    `load` returns the task with a given variant applied.

    Raises:
        UsageError: there is no such run, the task has changed since the run, or the run used several routes.
    """
    run = next(warehouse.stream(ROUTE_RUN.sql, {"task": name, "which": which}), None)
    if run is None:
        raise UsageError(
            f"Task '{name}' has no completed run {which!r}: expected a run id, or a variant with a completed run",
            next_step=f"if it is a variant, run `assay run {name} --variant {which}`.",
        )
    task = load(run["variant"])
    if task.versions.inference != run["inference_version"]:
        raise UsageError(
            f"Run {run['run_id']} has a different inference version from the current tasks/{name}",
            next_step=f"run `assay run {name} --variant {run['variant']}` again.",
        )
    window = {"run_id": run["run_id"], "data_date": run["data_date"]}
    scores = read_verdicts(warehouse, run_id=run["run_id"], data_date=run["data_date"])
    predictions = {
        InputKey(row["tenant_id"], row["record_id"], row["input_hash"]): RoutedPrediction(
            row, scores.get(row["prediction_id"], {})
        )
        for row in warehouse.stream(ROUTE_ANSWERS.sql, {"task": name, **window})
    }
    route = _only_route(run["run_id"], task, predictions)
    return RouteRun(run_id=run["run_id"], task=task, route=route, predictions=predictions)


def paired(cheap: RouteRun, better: RouteRun, *, confidence_from: str) -> PairedRuns:
    """Returns the outcomes of both routes on their common records, one record per cluster, without few-shot examples.

    If any record has an expected value, only records with an expected value are used.

    Raises:
        UsageError: the runs were scored with different scorer versions, or more than 1% of the records are unscored.
    """
    _refuse_other_scorers(cheap, better)
    left_out: Counter[str] = Counter()
    shared = [key for key in cheap.predictions if key in better.predictions]
    left_out["prediction in one run only"] = len(cheap.predictions) + len(better.predictions) - 2 * len(shared)
    labeled = [key for key in shared if cheap.predictions[key].columns["is_labeled"]] or shared
    left_out["no expected value"] = len(shared) - len(labeled)
    shown = {*cheap.task.spec.prompts.few_shot, *better.task.spec.prompts.few_shot}
    unseen = [key for key in labeled if not (key.record_id in shown and _is_golden(cheap.predictions[key]))]
    left_out["shown to the model as examples"] = len(labeled) - len(unseen)
    single = _one_of_each_cluster(unseen, cheap.predictions)
    left_out["another record of the cluster is taken"] = len(unseen) - len(single)
    pairs = [_pair(key, cheap, better, confidence_from) for key in single]
    scored = tuple(pair for pair in pairs if pair is not None)
    left_out["could not be judged"] = len(pairs) - len(scored)
    if len(pairs) - len(scored) > MAX_UNSCORED_SHARE * len(pairs):
        raise UsageError(
            f"Too many records are not scored in both runs: {len(pairs) - len(scored)} of {len(pairs)}, expected at most "
            f"{MAX_UNSCORED_SHARE:.0%}",
            next_step="declare `correct` in task.yml, and add expected values to the records.",
        )
    return PairedRuns(scored, {reason: count for reason, count in left_out.items() if count})


def _pair(key: InputKey, cheap: RouteRun, better: RouteRun, confidence_from: str) -> RoutePair | None:
    first, second = cheap.predictions[key], better.predictions[key]
    first_correct, second_correct = first.is_correct(cheap.task), second.is_correct(better.task)
    if first_correct is None or second_correct is None:
        return None
    return RoutePair(
        record_id=key.record.text,
        confidence=_confidence(first, cheap.route, confidence_from),
        cheap_correct=first_correct,
        better_correct=second_correct,
        cheap_usd=_usd(first),
        better_usd=_usd(second),
    )


def _confidence(prediction: RoutedPrediction, route: RouteSpec, source: str) -> float:
    """Returns the confidence of a prediction; `NEVER_KEPT` if it escalates at every threshold."""
    columns, verdicts = prediction.columns, [prediction.scores.get(name) for name in route.escalate.checks]
    if columns["status"] not in ANSWERED or any(verdict is None or not verdict.passed for verdict in verdicts):
        return NEVER_KEPT
    if source == LOGPROB:
        found = landed_confidence(columns["routing"])
    else:
        found = stated_confidence(_parsed(columns["output"]), source)
    return NEVER_KEPT if found is None else found


def _parsed(output: Any) -> Mapping[str, Any]:
    content = orjson.loads(output) if isinstance(output, str) else output
    return content if isinstance(content, Mapping) else {}


def _usd(prediction: RoutedPrediction) -> float | None:
    cost = prediction.columns["cost_usd"]
    return None if cost is None else float(cost)


def _is_golden(prediction: RoutedPrediction) -> bool:
    return str(prediction.columns["population"]).startswith(GOLDEN)


def _one_of_each_cluster(keys: Iterable[InputKey], predictions: Mapping[InputKey, RoutedPrediction]) -> list[InputKey]:
    """Returns one record per cluster, the one with the lowest hash, because the tests assume independent records."""
    chosen: dict[str, InputKey] = {}
    for key in sorted(keys, key=lambda key: hashlib.sha256(key.record.text.encode()).digest()):
        cluster = ClusterKey.of(key.tenant_id, predictions[key].columns["cluster_id"])
        chosen.setdefault(f"record {key.record.text}" if cluster is None else f"cluster {cluster.text}", key)
    return list(chosen.values())


def _only_route(run_id: str, task: Task, predictions: Mapping[InputKey, RoutedPrediction]) -> RouteSpec:
    routes = {prediction.columns["route"] for prediction in predictions.values()}
    names = sorted(route for route in routes if route is not None)
    found = [route for route in task.spec.routes if route.name in names]
    if len(names) != 1 or not found:
        raise UsageError(
            f"Run {run_id} must contain predictions of exactly one route; it contains those of {', '.join(names) or 'none'}",
            next_step="run a variant whose `routes` contains only that route.",
        )
    return found[0]


def _refuse_other_scorers(cheap: RouteRun, better: RouteRun) -> None:
    for name in cheap.task.spec.correct:
        versions = {
            prediction.scores[name].version
            for run in (cheap, better)
            for prediction in run.predictions.values()
            if name in prediction.scores
        }
        if len(versions) > 1:
            raise UsageError(
                f"Runs {cheap.run_id} and {better.run_id} were scored with different versions of scorer '{name}'",
                next_step=f"run both variants of '{cheap.task.name}' again.",
            )
