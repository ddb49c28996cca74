"""A whole run with a provider that speaks another chat API: answered, judged, cached and accounted as with the first."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from assay.inference.dialects.registry import DIALECTS
from assay.inference.providers import load_providers
from assay.project import Project
from tests.end_to_end.workplace import CONCURRENCY, Workplace, numbered_rows
from tests.fakes.second_dialect import SecondDialect, SecondEndpoint
from tests.runs.bench import Bench
from tests.scoring.judges.scenario import JUDGE_MODEL, SAFE, calls, judged_by, judging, says, scores

FIVE = numbered_rows(5)


class SecondBench(Bench):
    """Runs of a project that knows the second dialect, too."""

    @property
    def project(self) -> Project:
        settings = self.place.settings()
        providers = load_providers(settings, dialects={**DIALECTS, SecondDialect.name: SecondDialect()})
        return Project(settings, self.place.warehouse(), providers)


@pytest.fixture
def model() -> Iterator[SecondEndpoint]:
    with SecondEndpoint() as endpoint:
        yield endpoint


@pytest.fixture
def bench(place: Workplace) -> SecondBench:
    block = {"base_url": place.model.url, "api_key_env": "SECOND_API_KEY", "concurrency": CONCURRENCY}
    place.write("providers.yml", yaml.safe_dump({"openai": {**block, "dialect": SecondDialect.name}}))
    place.environment["SECOND_API_KEY"] = "sk-2"
    return SecondBench(place)


def test_a_run_is_answered_and_judged_in_the_second_dialect(
    bench: SecondBench, model: SecondEndpoint, name: str
) -> None:
    model.react = judged_by(says("pass", "Nothing harmful."))
    summary = bench.run(judging(bench.place, name, SAFE), input=bench.place.rows("in.csv", FIVE))

    assert (summary.status, summary.predictions, summary.calls) == ("completed", 5, 5)
    assert {(row["status"], row["passed"]) for row in scores(bench.place, summary.run_id)} == {("scored", True)}
    assert len(calls(bench.place, summary.run_id, "judge")) == 5
    assert {asked.body["model"] for asked in model.asked} >= {JUDGE_MODEL}
    assert set(model.keys) == {"sk-2"}


def test_its_calls_land_with_tokens_and_cost(bench: SecondBench, name: str) -> None:
    run_id = bench.run(bench.place.task(name), input=bench.place.rows("in.csv", FIVE)).run_id

    rows = bench.place.query("select * from responses where run_id = @run", run=run_id)
    assert {(row["status"], row["finish_reason"], row["input_tokens"], row["cached_input_tokens"]) for row in rows} == {
        ("ok", "done", 100, 30)
    }
    assert all(row["cost_usd"] > 0 for row in rows)


def test_the_same_texts_are_answered_from_the_exact_cache(bench: SecondBench, model: SecondEndpoint, name: str) -> None:
    task = bench.place.task(name, cache={"exact": {"ttl": "7 days"}})
    bench.run(task, input=bench.place.rows("in.csv", FIVE))
    others: list[dict[str, Any]] = [{**row, "id": f"other-{row['id']}"} for row in FIVE]
    summary = bench.run(task, input=bench.place.rows("others.csv", others))

    assert (model.count, summary.calls, summary.predictions) == (5, 0, 5)
