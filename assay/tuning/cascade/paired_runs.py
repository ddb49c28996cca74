"""Reads two runs of one task as paired outcomes of two routes: who was right, how sure, at what price.

Reading and pairing belong here; choosing a threshold is `cascade.py`.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from assay.errors import UsageError
from assay.inference.routing import landed_confidence, stated_confidence
from assay.records.keys import InputKey, RecordKey
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
    """A prediction as it landed, with its scores by name."""

    columns: Mapping[str, Any]
    scores: Mapping[str, LandedVerdict]

    def is_correct(self, task: Task) -> bool | None:
        """See `estimates.is_correct`; None also where a scorer of `correct:` has no row yet."""
        if any(name not in self.scores for name in task.spec.correct):
            return None
        return is_correct(task, self.columns["status"], self.scores)


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteRun:
    """A completed run in which one route gave all the answers there are."""

    run_id: str
    task: Task
    route: RouteSpec
    answers: Mapping[InputKey, RoutedPrediction]


@dataclass(frozen=True, slots=True)
class PairedRuns:
    """Records that both runs answered and somebody can judge; `left_out` counts the others by reason."""

    pairs: tuple[RoutePair, ...]
    left_out: Mapping[str, int]


def read_route_run(warehouse: Warehouse, which: str, *, name: str, load: Callable[[str], Task]) -> RouteRun:
    """The run by its id, or the latest completed one of that variant; `load` gives the task with a variant applied.

    Raises:
        UsageError: there is no such run, the task has changed since, or several routes answered.
    """
    run = next(warehouse.stream(ROUTE_RUN.sql, {"task": name, "which": which}), None)
    if run is None:
        raise UsageError(
            f"Task '{name}': expected a variant with a completed run, or a run's id, found {which!r}",
            next_step=f"run it with `assay run {name} --variant {which}`.",
        )
    task = load(run["variant"])
    if task.versions.inference != run["inference_version"]:
        raise UsageError(
            f"Run {run['run_id']} asked something else than tasks/{name} asks now",
            next_step=f"run `assay run {name} --variant {run['variant']}` again.",
        )
    window = {"run_id": run["run_id"], "data_date": run["data_date"]}
    scores = read_verdicts(warehouse, run_id=run["run_id"], data_date=run["data_date"])
    answers = {
        InputKey(row["tenant_id"], row["record_id"], row["input_hash"]): RoutedPrediction(
            row, scores.get(row["prediction_id"], {})
        )
        for row in warehouse.stream(ROUTE_ANSWERS.sql, {"task": name, **window})
    }
    return RouteRun(run_id=run["run_id"], task=task, route=_only_route(run["run_id"], task, answers), answers=answers)


def paired(cheap: RouteRun, better: RouteRun, *, confidence_from: str) -> PairedRuns:
    """Both routes on the records that both answered, one record of each cluster, examples shown to the model left out.

    Where any record has an expected answer, only those that have one count.

    Raises:
        UsageError: other versions of the scorers judged the two, or more than 1 % of the records could not be judged.
    """
    _refuse_other_scorers(cheap, better)
    left_out: Counter[str] = Counter()
    shared = [key for key in cheap.answers if key in better.answers]
    left_out["answered in one run only"] = len(cheap.answers) + len(better.answers) - 2 * len(shared)
    labelled = [key for key in shared if cheap.answers[key].columns["is_labelled"]] or shared
    left_out["no expected answer"] = len(shared) - len(labelled)
    shown = {*cheap.task.spec.prompts.few_shot, *better.task.spec.prompts.few_shot}
    unseen = [key for key in labelled if not (key.record_id in shown and _is_golden(cheap.answers[key]))]
    left_out["shown to the model as examples"] = len(labelled) - len(unseen)
    single = _one_of_each_cluster(unseen, cheap.answers)
    left_out["another record of the cluster is taken"] = len(unseen) - len(single)
    pairs = [_pair(key, cheap, better, confidence_from) for key in single]
    judged = tuple(pair for pair in pairs if pair is not None)
    left_out["could not be judged"] = len(pairs) - len(judged)
    if len(pairs) - len(judged) > MAX_UNSCORED_SHARE * len(pairs):
        raise UsageError(
            f"{len(pairs) - len(judged)} of {len(pairs)} records could not be judged in both runs: expected at most "
            f"{MAX_UNSCORED_SHARE:.0%}",
            next_step="a task needs `correct:`, and the records expected answers.",
        )
    return PairedRuns(judged, {reason: count for reason, count in left_out.items() if count})


def _pair(key: InputKey, cheap: RouteRun, better: RouteRun, confidence_from: str) -> RoutePair | None:
    first, second = cheap.answers[key], better.answers[key]
    first_right, second_right = first.is_correct(cheap.task), second.is_correct(better.task)
    if first_right is None or second_right is None:
        return None
    return RoutePair(
        record_id=key.record.text,
        confidence=_confidence(first, cheap.route, confidence_from),
        cheap_correct=first_right,
        better_correct=second_right,
        cheap_usd=_usd(first),
        better_usd=_usd(second),
    )


def _confidence(answer: RoutedPrediction, route: RouteSpec, source: str) -> float:
    """How sure the answer is, `NEVER_KEPT` where the router would escalate it whatever the threshold."""
    verdicts = [answer.scores.get(name) for name in route.escalate.checks]
    if answer.columns["status"] not in ANSWERED or any(verdict is None or not verdict.passed for verdict in verdicts):
        return NEVER_KEPT
    if source == LOGPROB:
        found = landed_confidence(answer.columns["routing"])
    else:
        found = stated_confidence(_parsed(answer.columns["output"]), source)
    return NEVER_KEPT if found is None else found


def _parsed(output: Any) -> Mapping[str, Any]:
    content = orjson.loads(output) if isinstance(output, str) else output
    return content if isinstance(content, Mapping) else {}


def _usd(answer: RoutedPrediction) -> float | None:
    cost = answer.columns["cost_usd"]
    return None if cost is None else float(cost)


def _is_golden(answer: RoutedPrediction) -> bool:
    return str(answer.columns["population"]).startswith(GOLDEN)


def _one_of_each_cluster(keys: Iterable[InputKey], answers: Mapping[InputKey, RoutedPrediction]) -> list[InputKey]:
    """Records of one cluster are not independent, which the tests need: the one with the lowest hash stands for it."""
    chosen: dict[str | RecordKey, InputKey] = {}
    for key in sorted(keys, key=lambda key: hashlib.sha256(key.record.text.encode()).digest()):
        cluster: str | None = answers[key].columns["cluster_id"]
        chosen.setdefault(key.record if cluster is None else cluster, key)
    return list(chosen.values())


def _only_route(run_id: str, task: Task, answers: Mapping[InputKey, RoutedPrediction]) -> RouteSpec:
    names = sorted({answer.columns["route"] for answer in answers.values() if answer.columns["route"] is not None})
    found = [route for route in task.spec.routes if route.name in names]
    if len(names) != 1 or not found:
        raise UsageError(
            f"Run {run_id}: expected the answers of one route, found those of {', '.join(names) or 'none'}",
            next_step="run a variant whose `routes` has that route alone.",
        )
    return found[0]


def _refuse_other_scorers(cheap: RouteRun, better: RouteRun) -> None:
    for name in cheap.task.spec.correct:
        versions = {
            answer.scores[name].version
            for run in (cheap, better)
            for answer in run.answers.values()
            if name in answer.scores
        }
        if len(versions) > 1:
            raise UsageError(
                f"Scorer '{name}' judged run {cheap.run_id} and run {better.run_id} in different versions: "
                "expected one",
                next_step=f"run both variants of '{cheap.task.name}' again.",
            )
