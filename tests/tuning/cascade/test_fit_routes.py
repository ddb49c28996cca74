"""A cascade fitted from what two runs landed, on a real emulator: what counts, what is refused, what the command prints."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from assay.cli.application import cli
from assay.errors import UsageError
from assay.records.row import Row
from assay.settings import Settings
from assay.tasks.task import Task
from assay.tuning.cascade.fit_routes import FitOptions, FittedCascade, fit_cascade
from assay.warehouse.client import Warehouse
from assay.warehouse.landing import LandingWriter
from assay.warehouse.migrate import migrate
from tests.emulator import PROJECT, running_emulator
from tests.fakes.task_folder import TaskFolder
from tests.warehouse.examples import sparse

DAY, AT = date(2026, 3, 2), datetime(2026, 3, 2, 6, tzinfo=UTC)
RECORDS = 600
VARIANTS = """
  first_alone:
    routes:
      - {name: first, provider: cheap, model: gpt-5-nano, escalate: {checks: [mine], confidence: {from: logprob, below: 0.5}}}
  second_alone:
    routes: [{name: second, provider: dear, model: gpt-5, timeout_s: 90}]
  unsure:
    routes: [{name: third, provider: cheap, model: gpt-5-mini}]
  twice:
    routes: [{name: fourth, provider: cheap, model: gpt-5-mini, escalate: {confidence: {from: logprob, below: 0.5}}}]
"""


@dataclass(frozen=True, slots=True)
class Place:
    """A project with landed runs."""

    folder: TaskFolder
    warehouse: Warehouse

    def load(self, variant: str) -> Task:
        return self.folder.load(variant)

    def fitted(self, cheap: str = "cheap-run", better: str = "dear-run", **more: Any) -> FittedCascade:
        return fit_cascade(
            self.warehouse, FitOptions(task="sorting", cheap=cheap, better=better, **more), load=self.load
        )  # fmt: skip

    def command(self, *options: str) -> Result:
        settings = self.warehouse.settings
        environment = settings.child_environment() | {"ASSAY_HASH_KEY": "6b" * 32}
        return CliRunner().invoke(cli, ["route", "fit", "sorting", *options], env=environment)


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What one route said to one record."""

    right: bool = True
    confidence: float | None = None
    status: str = "ok"
    short: bool = True
    usd: str = "0.01"
    cluster: str | None = None
    population: str = "input"
    labelled: bool = True
    record_id: str | None = None
    calls: int = 1
    scorer_version: str = "v1"
    reused_from: str | None = None


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    root = tmp_path_factory.mktemp("project")
    folder = TaskFolder(root)
    folder.edit("variants:\n", f"variants:{VARIANTS.rstrip()}\n")
    with running_emulator(tmp_path_factory.mktemp("emulator")) as endpoints:
        warehouse = Warehouse(
            Settings(
                root=root,
                project=PROJECT,
                bigquery_endpoint=endpoints.rest,
                bigquery_grpc_endpoint=endpoints.grpc,
                local_token=endpoints.token,
                hash_key=b"k" * 32,
            )
        )
        migrate(warehouse, report=lambda _: None)
        made = Place(folder, warehouse)
        land(made, "cheap-run", "first_alone", "first", [cheap_word(number) for number in range(RECORDS)])
        land(made, "dear-run", "second_alone", "second", [Said(right=number % 10 != 0, usd="0.10") for number in range(RECORDS)])  # fmt: skip
        yield made


def cheap_word(number: int) -> Said:
    """Three in four are sure and as good as the better route; the others are unsure and wrong."""
    sure = number % 4 != 0
    return Said(right=sure and number % 10 != 0, confidence=0.97 if sure else 0.4)


def land(place: Place, run_id: str, variant: str, route: str, words: list[Said]) -> None:
    """A completed run in which the route said these words."""
    rows: list[Row] = [row for number, said in enumerate(words) for row in landed(run_id, route, number, said)]
    versions = place.load(variant).versions
    common = {"run_id": run_id, "task": "sorting", "data_date": DAY, "variant": variant}
    rows.append(
        sparse(
            "runs",
            **common,
            event="finished",
            status="completed",
            inference_version=versions.inference,
            occurred_at=AT + timedelta(minutes=len(run_id)),
            tenant_id="default",
        )
    )
    writer = LandingWriter(place.warehouse)
    for table in ("runs", "records", "responses", "predictions", "scores"):
        writer.append([row for row in rows if row.table == table])


def landed(run_id: str, route: str, number: int, said: Said) -> Iterator[Row]:
    """The rows of one record."""
    record_id = said.record_id or f"r{number}"
    key = f"{run_id}-{record_id}"
    common = {"run_id": run_id, "task": "sorting", "data_date": DAY, "record_id": record_id, "occurred_at": AT, "tenant_id": "default"}  # fmt: skip
    yield sparse("records", **common, cluster_id=said.cluster, population=said.population, input="{}", expected='{"label":"billing"}' if said.labelled else None)  # fmt: skip
    for attempt in range(said.calls):
        yield sparse("responses", **common, request_key=key, call_id=f"{key}-{attempt}", cost_usd=Decimal(said.usd) / said.calls, epoch=0, route=route, started_at=AT)  # fmt: skip
    yield sparse(
        "predictions", **common, prediction_id=key, request_key=key, epoch=0, status=said.status, input_hash=record_id, call_id=f"{said.reused_from or run_id}-{record_id}-0",
        route=route if said.status == "ok" else None, output='{"label":"billing","sure":0.9}' if said.status == "ok" else None,
        routing=None if said.reused_from else json.dumps({"routes": [route], "escalations": [], "confidence": said.confidence}), started_at=AT, finished_at=AT,
    )  # fmt: skip
    for scorer, passed in (("label_right", said.right), ("mine", said.short)):
        yield sparse("scores", **common, score_id=f"{key}-{scorer}", prediction_id=key, epoch=0, scorer=scorer, scorer_version=said.scorer_version, status="scored", passed=passed, value=float(passed))  # fmt: skip


def test_sure_answers_are_kept_and_unsure_ones_escalate(place: Place) -> None:
    found = place.fitted(within=0.02)

    assert found.fit.chosen is not None and found.fit.verdict == "confirmed"
    assert 0.4 < found.fit.chosen.threshold <= 0.97
    assert (found.fit.calibrated_on, found.fit.held_out_n) == (300, 300)


def test_the_price_is_that_of_the_calls_that_landed(place: Place) -> None:
    price = place.fitted(within=0.02).price

    assert price is not None and price.cascade_usd is not None
    assert (price.cheap_usd, price.better_usd) == (pytest.approx(0.01), pytest.approx(0.10))
    assert price.cascade_usd.value == pytest.approx(0.01 + 0.10 * price.escalated.value)
    assert 0.15 < price.escalated.value < 0.35


def test_of_a_variant_the_latest_completed_run_counts(place: Place) -> None:
    land(place, "later-run", "twice", "fourth", [cheap_word(number) for number in range(60)])
    land(place, "early", "twice", "fourth", [Said(confidence=0.5) for _ in range(60)])

    assert place.fitted("twice", within=0.02).cheap.run_id == "later-run"
    assert place.fitted("early", within=0.02).cheap.run_id == "early"


def test_an_answer_that_failed_or_did_not_pass_a_check_is_never_kept(place: Place) -> None:
    words = [
        replace(cheap_word(number), status="failed") if number % 4 == 1 else replace(cheap_word(number), short=number % 4 != 2)
        for number in range(RECORDS)
    ]  # fmt: skip
    land(place, "cheap-run-with-faults", "first_alone", "first", words)

    found = place.fitted("cheap-run-with-faults", within=0.02)

    assert found.fit.chosen is not None
    assert found.fit.chosen.kept == pytest.approx(75, abs=25)


def test_answers_taken_over_from_an_earlier_run_keep_its_confidence_and_its_price(place: Place) -> None:
    words = [replace(cheap_word(number), calls=0, reused_from="cheap-run") for number in range(RECORDS)]
    land(place, "cheap-run-reused", "first_alone", "first", words)

    again, before = place.fitted("cheap-run-reused", within=0.02), place.fitted(within=0.02)

    assert (again.fit, again.price) == (before.fit, before.price)


def test_records_that_cannot_count_are_left_out_by_reason(place: Place) -> None:
    words = [
        *[replace(cheap_word(number), labelled=False) for number in range(100)],
        *[replace(cheap_word(number), cluster=f"c{number % 50}") for number in range(100, 300)],
        *[cheap_word(number) for number in range(300, 500)],
        Said(confidence=0.9, record_id="dev-1", population="golden:dev"),
    ]
    land(place, "cheap-run-in-part", "first_alone", "first", words)
    land(place, "dear-run-in-part", "second_alone", "second", [*[Said() for _ in range(500)], Said(record_id="dev-1")])

    found = place.fitted("cheap-run-in-part", "dear-run-in-part", within=0.05)

    assert found.left_out == {
        "no expected value": 100,
        "shown to the model as examples": 1,
        "another record of the cluster is taken": 150,
    }
    assert found.fit.calibrated_on + found.fit.held_out_n == 250


def test_a_field_of_the_answer_may_state_the_confidence(place: Place) -> None:
    folder = place.folder
    folder.write(
        "output.py", (folder.path / "output.py").read_text().replace("    label:", "    sure: float = 0.0\n    label:")
    )
    try:
        land(place, "stating-run", "unsure", "third", [Said(right=number % 10 != 0) for number in range(RECORDS)])
        land(place, "dear-again", "second_alone", "second", [Said(right=number % 10 != 0) for number in range(RECORDS)])
        found = place.fitted("stating-run", "dear-again", source="sure", within=0.02)
    finally:
        folder.write("output.py", (folder.path / "output.py").read_text().replace("    sure: float = 0.0\n", ""))

    assert found.fit.chosen is not None and found.fit.chosen.kept == 300


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"cheap": "no_such"}, "has no completed run 'no_such': expected a run id, or a variant with a completed run"),
        ({"better": "cheap-run"}, "both refer to run cheap-run"),
        ({"cheap": "dear-run", "better": "cheap-run"}, "set `escalate.confidence` in task.yml, or pass --from"),
        ({"cheap": "dear-run", "better": "cheap-run", "source": "logprob"}, "did not request log probabilities"),
        ({"source": "sureness"}, r"expected logprob or an output field \(label\)"),
        ({"quality": 0.9, "within": 0.1}, "--quality and --within cannot be combined"),
    ],
)
def test_what_cannot_be_fitted_is_refused_with_a_reason(place: Place, asked: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        place.fitted(**asked)


def test_too_few_records_are_refused(place: Place) -> None:
    land(place, "short", "first_alone", "first", [cheap_word(number) for number in range(30)])

    with pytest.raises(UsageError, match=r"Too few scored records .* 30, expected at least 40"):
        place.fitted("short")


def test_a_run_of_another_question_is_refused(place: Place) -> None:
    place.folder.edit("model: gpt-5-nano, escalate", "model: gpt-6-nano, escalate")
    try:
        with pytest.raises(UsageError, match="has a different inference version from the current tasks/sorting"):
            place.fitted()
    finally:
        place.folder.edit("model: gpt-6-nano, escalate", "model: gpt-5-nano, escalate")


def test_scores_of_other_scorers_are_refused(place: Place) -> None:
    land(place, "scored-otherwise", "first_alone", "first", [replace(cheap_word(number), scorer_version="v2") for number in range(60)])  # fmt: skip

    with pytest.raises(
        UsageError,
        match="Runs scored-otherwise and dear-run were scored with different versions of scorer 'label_right'",
    ):
        place.fitted("scored-otherwise", "dear-run")


def test_the_command_prints_the_facts_and_the_lines_to_paste(place: Place) -> None:
    done = place.command("--cheap", "cheap-run", "--better", "dear-run", "--within", "0.02")

    assert done.exit_code == 0, done.output
    assert "confirmed" in done.output and "saved relative to the better route" in done.output
    routes = yaml.safe_load(done.output[done.output.index("routes:") :])["routes"]
    assert [route["name"] for route in routes] == ["first", "second"]
    assert routes[0]["escalate"]["checks"] == ["mine"]
    assert 0.4 < routes[0]["escalate"]["confidence"]["below"] <= 0.97
    assert routes[1] == {"name": "second", "provider": "dear", "model": "gpt-5", "timeout_s": 90.0}


def test_the_lines_to_paste_are_a_right_task(place: Place) -> None:
    done = place.command("--cheap", "cheap-run", "--better", "dear-run", "--within", "0.02", "--format", "json")
    lines = json.loads(done.stdout)["task_yml"]
    before = (place.folder.path / "task.yml").read_text()
    place.folder.edit("routes:\n  - name: first\n    provider: cheap\n    model: gpt-5-nano\n", lines)
    try:
        assert place.folder.issues() == []
    finally:
        place.folder.write("task.yml", before)


def test_the_command_ends_with_2_when_no_threshold_qualifies_and_says_what_is_missing(place: Place) -> None:
    done = place.command("--cheap", "cheap-run", "--better", "dear-run", "--quality", "0.89", "--format", "json")

    found = json.loads(done.stdout)
    assert done.exit_code == 2
    assert (found["threshold"], found["task_yml"], found["price"]) == (None, None, None)
    assert "the better route alone has a quality of 0.9" in found["reason"]
