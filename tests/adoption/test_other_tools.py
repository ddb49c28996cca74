"""Answers from files of other tools: OpenAI Batch output and Inspect logs."""

from __future__ import annotations

import json
import zipfile
from typing import Any

import pytest

from assay.errors import UsageError
from tests.adoption.scenario import adopted, label_task, labelled_rows, lines, outcomes
from tests.end_to_end.workplace import Workplace
from tests.paths import SHARED
from tests.runs.bench import Bench

TRACES = SHARED / "data" / "traces"
SAMPLES = {"record_id": "id", "fields": {"text": "input"}, "expected": {"label": "target"}}
shared = pytest.mark.skipif(
    not TRACES.is_dir(), reason="the public data sets are not beside the checkout (../shared/data)"
)


def batch_line(record_id: str, text: str | None, *, finish: str = "stop", **message: Any) -> dict[str, Any]:
    """A line of an output file, as OpenAI's reference shows it."""
    body = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "model": "gpt-4o-mini-2024-07-18",
        "choices": [
            {"index": 0, "message": {"role": "assistant", "content": text, **message}, "finish_reason": finish}
        ],
        "usage": {"prompt_tokens": 22, "completion_tokens": 2, "total_tokens": 24},
    }
    response = {"status_code": 200, "request_id": "r", "body": body}
    return {"id": "batch_req_1", "custom_id": record_id, "response": response, "error": None}


def test_a_batch_file_answers_the_records_of_an_input_by_custom_id(bench: Bench, place: Workplace, name: str) -> None:
    label_task(place, name)
    error = {"code": "batch_expired", "message": "This request could not be executed before the window expired."}
    refused = {
        "status_code": 400,
        "request_id": "r",
        "body": {"error": {"message": "Bad jane@x.example", "code": "bad"}},
    }
    text = {
        "object": "response",
        "model": "gpt-5",
        "status": "completed",
        "usage": {"input_tokens": 5, "output_tokens": 1},
    }
    parts = [{"type": "reasoning"}, {"type": "message", "content": [{"type": "output_text", "text": "a"}]}]
    found = [
        batch_line("r00005", '{"label": "b"}'),
        batch_line("r00000", "a"),
        batch_line("r00001", "sorry", refusal="I cannot do that."),
        batch_line("r00002", '{"lab', finish="length"),
        {"custom_id": "r00003", "response": None, "error": error},
        {"custom_id": "r00004", "response": refused, "error": None},
        {"custom_id": "r00006", "response": {"status_code": 200, "body": {**text, "output": parts}}, "error": None},
    ]
    file = lines(place, "batch.jsonl", found)
    records = lines(place, "in.jsonl", labelled_rows(8))
    run = adopted(bench, name, files=[f"mini={file}"], input=records)["mini"]

    landed = outcomes(place, run.summary.run_id)
    assert {key: (row["status"], row["error_type"]) for key, row in landed.items()} == {
        "r00000": ("ok", None),
        "r00001": ("refused", "refused"),
        "r00002": ("failed", "truncated"),
        "r00003": ("failed", "server"),
        "r00004": ("failed", "bad_request"),
        "r00005": ("ok", None),
        "r00006": ("ok", None),
        "r00007": ("failed", "no_answer"),
    }
    assert "batch_expired: This request could not be executed" in landed["r00003"]["error_message"]
    assert (landed["r00005"]["adopted_model"], landed["r00005"]["adopted_input_tokens"]) == (
        "gpt-4o-mini-2024-07-18",
        22,
    )
    assert (landed["r00006"]["adopted_model"], landed["r00006"]["adopted_output_tokens"]) == ("gpt-5", 1)
    assert landed["r00005"]["adopted_cost_usd"] is None


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "is empty"),
        (b'{"label": "a"}\n', "is not recognized"),
        (b'{"custom_id": "r00000", "error": null}\n{"custom_id"', "line 2: expected a JSON object with a `custom_id`"),
        (
            b'{"custom_id": "x", "error": {}}\n{"custom_id": "x", "error": {}}\n',
            "line 2 and line 1 answer the same record",
        ),
        (b'{"custom_id": "elsewhere", "error": {}}\n', "none of its 1 ids occurs in column 'id'"),
        (b'{"version": 1, "samples": []}', "expected an Inspect log of version 2, found version 1"),
        (b'{"version": 2, "samples": []}', "contains no answer"),
        (b'{"version": 2, "samples": [', "is not JSON"),
        (b'{"version": 2, "samples": [{"epoch": 1, "id": null}]}', "sample 1: expected an id"),
        (b'{"version": 2, "samples": [{"id": 1}]}', "sample 1: expected an object with an epoch"),
    ],
)
def test_a_damaged_file_is_refused_by_line(
    bench: Bench, place: Workplace, name: str, content: bytes, says: str
) -> None:
    label_task(place, name)
    place.write("answers.jsonl", content)
    with pytest.raises(UsageError, match=says):
        adopted(bench, name, files=["answers.jsonl"], input=lines(place, "in.jsonl", labelled_rows(2)))
    assert place.query("select * from runs where task = @task", task=name) == []


def sample(number: int, epoch: int, answer: str, **more: Any) -> dict[str, Any]:
    """A sample of an Inspect log."""
    choice = {"message": {"role": "assistant", "content": answer}, "stop_reason": "stop"}
    usage = {"input_tokens": 10, "output_tokens": 1, "total_tokens": 11}
    output = {"model": "m", "choices": [choice], "completion": answer, "usage": usage, "time": 0.5}
    return {"id": number, "epoch": epoch, "input": f"q {number}", "target": "a", "output": output, **more}


def eval_file(place: Workplace, name: str, samples: list[dict[str, Any]]) -> str:
    """An `.eval` log with the samples."""
    path = place.write(name, b"")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("header.json", json.dumps({"version": 2, "status": "success", "eval": {}}))
        for one in samples:
            archive.writestr(f"samples/{one['id']}_epoch_{one['epoch']}.json", json.dumps(one))
    return name


def test_an_eval_log_brings_its_own_samples_and_epochs(bench: Bench, place: Workplace, name: str) -> None:
    label_task(place, name, input=SAMPLES)
    failed = sample(2, 2, "a", error={"message": "sandbox died", "traceback": "…"})
    file = eval_file(place, "log.eval", [sample(1, 1, "a"), sample(1, 2, "b"), sample(2, 1, "a"), failed])
    run = adopted(bench, name, files=[f"m={file}"])["m"]

    sql = "select * from predictions where run_id = @id order by record_id, epoch"
    landed = place.query(sql, id=run.summary.run_id)
    assert [(row["record_id"], row["epoch"], row["status"], row["error_type"]) for row in landed] == [
        ("1", 0, "ok", None),
        ("1", 1, "ok", None),
        ("2", 0, "ok", None),
        ("2", 1, "failed", "sample_error"),
    ]
    assert landed[3]["error_message"] == "sandbox died" and landed[0]["adopted_latency_ms"] == 500.0
    assert run.reliability is not None and run.reliability["value"] == 0.5


def test_a_zip_archive_that_is_no_log_is_refused(bench: Bench, place: Workplace, name: str) -> None:
    label_task(place, name, input=SAMPLES)
    with zipfile.ZipFile(place.write("log.eval", b""), "w") as archive:
        archive.writestr("other.json", "{}")
    with pytest.raises(UsageError, match=r"ZIP archive without header\.json"):
        adopted(bench, name, files=["log.eval"])


@shared
def test_a_published_inspect_log_has_the_accuracy_that_inspect_computed(
    bench: Bench, place: Workplace, name: str
) -> None:
    path = TRACES / "inspect_log_popularity.json"
    log = json.loads(path.read_text("utf-8"))
    check = {"name": "label_right", "type": "custom", "function": "checks.py:same"}
    label_task(place, name, input=SAMPLES, label="str", checks=[check])
    # Inspect's scorer `match` ignores the blanks around the target.
    same = "def same(subject):\n    return subject.output['label'].strip() == subject.expected['label'].strip()\n"
    place.write(f"tasks/{name}/checks.py", same)
    notes: list[str] = []
    run = adopted(bench, name, files=[f"mini={path}"], notes=notes)["mini"]

    accuracy = log["results"]["scores"][0]["metrics"]["accuracy"]["value"]
    assert run.reliability is not None and run.reliability["value"] == pytest.approx(accuracy, abs=1e-12)
    landed = list(outcomes(place, run.summary.run_id).values())
    usage = [one["output"]["usage"] for one in log["samples"]]
    assert [row["adopted_input_tokens"] for row in landed] == [one["input_tokens"] for one in usage]
    assert [row["adopted_latency_ms"] for row in landed] == [
        pytest.approx(one["output"]["time"] * 1000) for one in log["samples"]
    ]


@shared
def test_the_answer_that_a_scorer_extracted_can_be_adopted(bench: Bench, place: Workplace, name: str) -> None:
    path = TRACES / "inspect_log_security-guide.json"
    label_task(place, name, input=SAMPLES, label="str")
    run = adopted(bench, name, files=[f"guide={path}"], scorer="model_graded_fact")["guide"]
    assert run.summary.statuses == {"ok": 3}
    records = place.query("select input from records where run_id = @id order by position", id=run.summary.run_id)
    assert records[0]["input"] == {"text": "How do I prevent SQL Injection attacks?"}
    with pytest.raises(UsageError, match="no score of 'elsewhere'; scorers: model_graded_fact"):
        adopted(bench, name, files=[f"guide={path}"], scorer="elsewhere")


def test_the_next_step_after_two_logs_compares_them_on_their_samples(place: Workplace, name: str) -> None:
    label_task(place, name, input=SAMPLES)
    for file, answer in (("one.eval", "a"), ("two.eval", "b")):
        eval_file(place, file, [sample(number, 1, answer) for number in range(1, 13)])
    done = place.command("adopt", name, "--answer-file", "one.eval", "--answer-file", "two.eval")
    following = f"assay eval {name} --variants adopted --input one.eval"
    assert f"next: {following}\n" in done.stderr, done.stderr
    compared = place.command(*following.split()[1:], timeout_s=120)
    assert compared.returncode == 0, compared.stderr
