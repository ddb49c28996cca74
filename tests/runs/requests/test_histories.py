"""Reruns, resumes and reuse never change the rate that is reported: it counts first outcomes.

A scripted model breaks 30% of its answers at random. Each history is a sequence of runs over the same records, landed by
the engine's own statement, keys and rows at a simulated time; the warehouse is real, the model and the clock are not.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from assay.inference.keys import request_key
from assay.inference.request import Request, RunFacts, prediction_row
from assay.records import Prediction, Record
from assay.records.statuses import AnswerSource, Population, PredictionStatus, Stage
from assay.runs.requests.queries import EARLIER_OUTCOMES
from assay.runs.requests.requests import RunRequests, first_of
from assay.runs.run import oldest_reused
from assay.settings import Settings
from assay.warehouse.client import Warehouse
from assay.warehouse.landing import LandingWriter
from tests.emulator import PROJECT, Endpoints

TRUTH = 0.70
START = datetime.fromisoformat("2026-03-02T06:00:00+00:00")
POLICIES = ("always", "never", "within 1 hours", "within 5 hours", "within 1 days")
ENDINGS = ("whole", "whole", "whole", "resumed", "abandoned", "limited", "budget")
STATUSES = (PredictionStatus.FAILED, PredictionStatus.INVALID_OUTPUT, PredictionStatus.REFUSED)


@dataclass
class History:
    """One task with its records and runs; `now` is the simulated time."""

    warehouse: Warehouse
    task: str
    rng: random.Random
    records: int
    now: datetime = START
    runs: list[list[Prediction]] = field(default_factory=list)

    def run(self, policy: str, ending: str, *, after: timedelta | None = None) -> None:
        """Lands one more run; one that is resumed is killed at a random place and continued two hours later."""
        facts = RunFacts(
            run_id=f"{self.task}-{len(self.runs)}",
            task=self.task,
            data_date=self.now.date(),
            variant="default",
            stage=Stage.BETA,
            inference_version="i1",
            masking_version="off",
        )
        self.now += after or timedelta(minutes=self.rng.choice((10, 90, 400, 2000)))
        order = list(range(self.records))
        LandingWriter(self.warehouse).append([self._record(facts, n) for n in order])
        stop = self.rng.randrange(1, self.records)
        passes = {"whole": [order], "resumed": [order[:stop], order[stop:]], "budget": [order]}
        done: list[Prediction] = []
        for numbers in passes.get(ending, [order[:stop]]):
            done += self._answered(facts, numbers, policy, paid=stop if ending == "budget" else len(order))
            LandingWriter(self.warehouse).append(done[-len(numbers) :])
            self.now += timedelta(hours=2)
        self.runs.append(done)

    def _answered(self, facts: RunFacts, numbers: list[int], policy: str, *, paid: int) -> list[Prediction]:
        since = oldest_reused(policy, now=self.now)
        earlier: dict[int, dict[str, Any]] = {}
        if since is not None:
            given = {"run_id": facts.run_id, "data_date": facts.data_date, "task": facts.task, "since": since}
            given |= {"inference_version": "i1", "answer_statuses": ["ok", "repaired"]}
            earlier = {row["position"]: row for row in self.warehouse.stream(EARLIER_OUTCOMES.sql, given)}
        requests = RunRequests(cast(Any, None), cast(Any, SimpleNamespace(facts=facts)), cast(Any, None))
        made = []
        for calls, number in enumerate(numbers):
            self.now += timedelta(milliseconds=10)
            found = earlier.get(number)
            request = self._request(number, first=first_of(found))
            if found is not None and found["is_answered"]:
                reused = requests.reused(request, found).prediction
                assert reused is not None
                made.append(reused)
            else:
                made.append(self._called(facts, request, is_paid=calls < paid))
        return made

    def _called(self, facts: RunFacts, request: Request, *, is_paid: bool) -> Prediction:
        status = PredictionStatus.OK if self.rng.random() < TRUTH else self.rng.choice(STATUSES)
        if not is_paid:
            status = PredictionStatus.SKIPPED_BUDGET
        is_ok = status == PredictionStatus.OK
        return prediction_row(
            facts,
            request,
            started_at=self.now,
            finished_at=self.now,
            status=status,
            answer_source=AnswerSource.WIRE if is_ok else None,
            output="{}" if is_ok else None,
            call_id=f"{facts.run_id}-{request.position}" if is_ok else None,
            route="first",
            calls=1,
        )

    def _request(self, number: int, **given: Any) -> Request:
        key = request_key(
            inference_version="i1", record_id=f"r{number}", input_hash="h", epoch=0, tenant_id="default", history=()
        )
        named = {"record_id": f"r{number}", "position": number, "epoch": 0, "key": key, "fields": {}}
        return Request(**named, input_hash="h", tenant_id="default", subject_key=None, **given)  # type: ignore[arg-type]

    def _record(self, facts: RunFacts, number: int) -> Record:
        return Record(
            run_id=facts.run_id,
            task=self.task,
            data_date=facts.data_date,
            occurred_at=self.now,
            tenant_id="default",
            record_id=f"r{number}",
            position=number,
            population=Population.INPUT,
            input="{}",
            input_hash="h",
            masked_entities=0,
            masking_version="off",
        )


def first_try_rate(predictions: list[Prediction]) -> float:
    """The share of first outcomes that are right, as every rate counts them."""
    counted = [row.first_status or row.status for row in predictions]
    eligible = [status for status in counted if status != PredictionStatus.SKIPPED_BUDGET]
    return float(np.mean([status == PredictionStatus.OK for status in eligible]))


def delivered_rate(predictions: list[Prediction]) -> float:
    return float(np.mean([row.status == PredictionStatus.OK for row in predictions]))


def warehouse_of(endpoints: Endpoints) -> Warehouse:
    places = {
        "bigquery_endpoint": endpoints.rest,
        "bigquery_grpc_endpoint": endpoints.grpc,
        "local_token": endpoints.token,
    }
    return Warehouse(Settings(root=Path("nowhere"), project=PROJECT, **places))  # type: ignore[arg-type]


def histories(endpoints: Endpoints, name: str, *, count: int, records: int) -> Iterator[History]:
    """Random sequences of up to five runs before a last, whole one."""
    warehouse = warehouse_of(endpoints)
    for number in range(count):
        rng = random.Random(f"history/{number}")
        history = History(warehouse, f"{name}_{number}", rng, records)
        for _ in range(rng.randrange(6)):
            history.run(rng.choice(POLICIES), rng.choice(ENDINGS))
        history.run(rng.choice(POLICIES), rng.choice(("whole", "resumed")))
        yield history


def assert_unbiased(found: list[History], *, within: float) -> None:
    rates = [first_try_rate(history.runs[-1]) for history in found]
    assert abs(float(np.mean(rates)) - TRUTH) < within, np.mean(rates)
    reused = [h for h in found if any(row.first_status for row in h.runs[-1])]
    assert len(reused) > len(found) / 4
    assert np.mean([delivered_rate(history.runs[-1]) for history in reused]) > TRUTH + 0.05


def test_few_histories_of_reruns_report_the_true_rate(endpoints: Endpoints, name: str) -> None:
    assert_unbiased(list(histories(endpoints, name, count=25, records=150)), within=0.025)


@pytest.mark.verify
def test_two_hundred_histories_of_reruns_report_the_true_rate(endpoints: Endpoints, name: str) -> None:
    assert_unbiased(list(histories(endpoints, name, count=220, records=300)), within=0.01)


def test_a_second_chance_is_as_old_as_its_first_outcome(endpoints: Endpoints, name: str) -> None:
    history = History(warehouse_of(endpoints), name, random.Random(11), 200)
    for _ in range(3):
        history.run("within 5 hours", "whole", after=timedelta(hours=1))  # and two hours until the next one
    first, second, third = history.runs
    assert {row.first_prediction_id for row in second} == {row.prediction_id for row in first}
    assert {row.first_prediction_id for row in third} == {None}
    assert abs(first_try_rate(third) - TRUTH) < 0.1


def test_three_reruns_deliver_more_and_report_the_same(endpoints: Endpoints, name: str) -> None:
    history = History(warehouse_of(endpoints), name, random.Random(7), 200)
    for _ in range(3):
        history.run("always", "whole")
    assert len({first_try_rate(run) for run in history.runs}) == 1
    delivered = [delivered_rate(run) for run in history.runs]
    assert delivered[0] < 0.8 and delivered[2] > 0.93
    assert history.runs[0][0].data_date == date(2026, 3, 2)
