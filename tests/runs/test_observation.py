"""A stage of a run leaves spans and lines, whatever becomes of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from assay.errors import UsageError
from assay.project import Project, open_project
from assay.records import RunEvent
from assay.runs.observation import observe_run
from assay.settings import Settings, TraceSettings
from tests.fakes.collector import Collector, collecting
from tests.fakes.task_folder import TaskFolder
from tests.inference.telemetry.rows import BEGAN, DAY, FACTS, RUN_ID, call, prediction

STARTED = RunEvent(
    run_id=RUN_ID,
    task=FACTS.task,
    data_date=DAY,
    occurred_at=BEGAN,
    tenant_id="default",
    event="started",
    status="running",
    purpose="score",
    variant="default",
    stage="shadow",
    task_version_id="t",
    inference_version="v",
    golden_set_version="g",
    policy_version="p",
    epochs=1,
    records=3,
    rows_rejected=1,
    expected_predictions=3,
    config='{"input": "Dear Anna"}',
    code_version="1",
)
FINISHED = replace(
    STARTED,
    event="finished",
    status="completed",
    occurred_at=BEGAN + timedelta(seconds=90),
    predictions=3,
    calls=4,
    reason="Anna asked for it",
)


@pytest.fixture
def collector() -> Iterator[Collector]:
    with collecting() as running:
        yield running


def project_at(folder: Path, *, traces_to: str | None = None) -> Project:
    TaskFolder(folder)
    traces = TraceSettings(endpoint=f"{traces_to}/v1/traces" if traces_to else None)
    return open_project(Settings(root=folder, hash_key=b"k" * 32, traces=traces))


def lines(folder: Path, name: str = f"{RUN_ID}.jsonl") -> list[dict[str, Any]]:
    text = (folder / ".assay" / "logs" / "runs" / name).read_text("utf-8")
    return [json.loads(line) for line in text.splitlines()]


def whole_run(project: Project) -> None:
    with observe_run(project, FACTS, "admit") as told:
        told.run_started(STARTED)
    with observe_run(project, FACTS, "answer", shard=2) as told:
        if told.requests is not None:
            told.requests.start_request(0, epoch=0).end(prediction(), [call(provider="cheap")])
    with observe_run(project, FACTS, "score") as told:
        told.run_finished(STARTED, FINISHED)


def test_the_stages_of_a_run_are_one_tree_though_each_opened_its_own(tmp_path: Path, collector: Collector) -> None:
    whole_run(project_at(tmp_path, traces_to=collector.endpoint))
    spans = {span.span_id: span for span in collector.spans()}
    assert {span.name: spans[span.parent_span_id].name for span in spans.values() if span.parent_span_id} == {
        "admit": "invoke_workflow support_triage",
        "answer": "invoke_workflow support_triage",
        "score": "invoke_workflow support_triage",
        "shard 2": "answer",
        "request": "shard 2",
        "chat gpt-5-nano": "request",
    }
    (server,) = (
        item.value.string_value for span in spans.values() for item in span.attributes if item.key == "server.address"
    )
    assert server == "cheap.test"


def test_the_log_tells_the_run_from_start_to_end_without_tracing(tmp_path: Path) -> None:
    whole_run(project_at(tmp_path))
    told = lines(tmp_path)
    assert [line["event"] for line in told] == [
        "stage_started",
        "run_started",
        "stage_ended",
        "stage_started",
        "run_finished",
        "stage_ended",
    ]
    assert (told[1]["records"], told[1]["rejected"], told[1]["requests"]) == (3, 1, 3)
    assert (told[4]["status"], told[4]["predictions"], told[4]["ms"]) == ("completed", 3, 90_000)
    assert [line["event"] for line in lines(tmp_path, f"{RUN_ID}.shard-2.jsonl")] == ["stage_started", "stage_ended"]
    assert "Anna" not in str(told)


def test_a_stage_that_fails_says_which_fault_but_not_its_words(tmp_path: Path) -> None:
    with pytest.raises(UsageError), observe_run(project_at(tmp_path), FACTS, "answer"):
        raise UsageError("Dear Anna cannot be read")
    assert (lines(tmp_path)[-1]["event"], lines(tmp_path)[-1]["error_type"]) == ("stage_ended", "UsageError")
    assert "Anna" not in str(lines(tmp_path))


def test_the_log_says_how_many_spans_were_lost(tmp_path: Path) -> None:
    with (
        collecting(status=400) as refusing,
        observe_run(project_at(tmp_path, traces_to=refusing.endpoint), FACTS, "admit"),
    ):
        pass
    last = lines(tmp_path)[-1]
    assert (last["event"], last["exported"], last["lost"]) == ("spans_delivered", 0, 1)
