"""What a user can get wrong ends with one clear message and the documented exit code, and leaves nothing half-done."""

from __future__ import annotations

import json
import socket
import time
from pathlib import Path
from typing import Any

import pytest

from tests.emulator import Endpoints
from tests.end_to_end.workplace import CONCURRENCY, Workplace, numbered_rows
from tests.fakes.model_endpoint import Asked, ModelEndpoint, React, Reaction, failing, well
from tests.paths import SHARED

USAGE, DOOR, UNREACHABLE = 3, 4, 5
TEN = numbered_rows(10)


@pytest.fixture
def nobody() -> int:
    """A port where nobody listens."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        return int(unused.getsockname()[1])


def said(place: Workplace, code: int, *arguments: str, **variables: str) -> str:
    """The message of a command that ends with `code` and prints no result."""
    done = place.command(*arguments, **variables)
    assert (done.returncode, done.stdout) == (code, ""), done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr


def runs(place: Workplace, task: str) -> list[tuple[str, str]]:
    sql = "select event, status from runs where task = @task order by occurred_at"
    return [(row["event"], row["status"]) for row in place.query(sql, task=task)]


INPUTS: dict[str, tuple[bytes, dict[str, Any], int, str]] = {
    "no_id_column": (b"name,text\n1,a\n", {}, USAGE, "in.csv has no column 'id': found 'name', 'text'"),
    "no_text_column": (b"id,body\n1,a\n", {}, USAGE, "'text'"),
    "an_empty_file": (b"", {}, USAGE, "in.csv is empty (0 bytes)"),
    "only_a_header": (b"id,text\n", {}, USAGE, "in.csv has no rows"),
    "utf_16": ("id,text\n1,a\n".encode("utf-16"), {}, USAGE, "in.csv is UTF-16: expected UTF-8"),
    "a_nul_byte": (b"id,text\n1,a\0b\n", {}, USAGE, "NUL byte in line 2"),
    "an_open_quote": (b'id,text\n1,"a\n2,b\n', {}, USAGE, "never closed"),
    "only_duplicates": (b"id,text\n1,a\n1,b\n", {}, DOOR, "duplicate_id 2"),
    "broken_utf_8": (b"id,text\n1,caf\xe9\n", {}, DOOR, "undecodable_text 1"),
    "ragged_rows": (b"id,text\n1,a,b\n2\n3,c\n", {}, DOOR, "ragged_row 2"),
    "missing_ids": (b"id,text\n,a\n ,b\n", {}, DOOR, "missing_id 2"),
    "a_huge_cell": (b"id,text\n1," + b"x" * 5_000_000 + b"\n", {}, DOOR, "oversize_cell 1"),
}


@pytest.mark.parametrize("case", INPUTS)
def test_an_input_that_cannot_be_used_is_refused_before_anything_is_sent(place: Workplace, case: str) -> None:
    content, edits, code, words = INPUTS[case]
    place.write("in.csv", content)
    message = said(place, code, "run", place.task(case, **edits), "--input", "in.csv")
    assert message.startswith("assay: ")
    assert words in message
    assert place.model.count == 0
    assert runs(place, case) == ([("started", "running"), ("finished", "failed")] if code == DOOR else [])


def test_some_bad_rows_are_rejected_by_reason_and_the_rest_goes_on(place: Workplace, name: str) -> None:
    good = "".join(f"{row['id']},{row['text']}\n" for row in TEN).encode()
    bad = b"r00000,again\nx1,caf\xe9\nx2,a,b\n,no id\nx3," + b"y" * 2_000_000 + b"\n"
    place.write("in.csv", b"id,text\n" + good + bad)
    summary = place.run(place.task(name), "--input", "in.csv")
    assert (summary["rows_read"], summary["rejected"], summary["records"], summary["predictions"]) == (15, 6, 9, 9)
    sql = "select reason, count(*) as n from rejected_records where run_id = @run group by reason order by reason"
    reasons = {row["reason"]: row["n"] for row in place.query(sql, run=summary["run_id"])}
    assert reasons == {"duplicate_id": 2, "missing_id": 1, "oversize_cell": 1, "ragged_row": 1, "undecodable_text": 1}


def test_the_first_of_duplicates_is_kept_where_the_task_says_so(
    place: Workplace, model: ModelEndpoint, name: str
) -> None:
    place.write("in.csv", "id,text\n1,first\n1,second\n2,other\n")
    inputs = {"record_id": "id", "fields": {"text": "text"}, "on_duplicate": "first", "max_rejected": 0.5}
    place.run(place.task(name, input=inputs), "--input", "in.csv")
    assert set(model.prompts) == {"first", "other"}


def test_an_unknown_task_is_told_with_the_nearest_name(place: Workplace) -> None:
    place.task("ticket_triage")
    message = said(place, USAGE, "run", "ticket_traige")
    assert "Unknown task 'ticket_traige'" in message
    assert "did you mean 'ticket_triage'?" in message


def test_a_prompt_that_names_no_field_is_told_with_file_and_line(place: Workplace, name: str) -> None:
    place.task(name, prompt="One line.\n{{ subject }}")
    place.rows("in.csv", TEN)
    message = said(place, USAGE, "run", name, "--input", "in.csv")
    assert f"tasks/{name}/user.j2:2:" in message
    assert "subject" in message


OPTIONS: dict[str, tuple[list[str], str]] = {
    "limit_0": (["--limit", "0"], "--limit is 0: expected at least 1"),
    "limit_x": (["--limit", "x"], "'x' is not a valid integer"),
    "budget_nan": (["--budget", "nan"], "--budget is nan: expected at least 0"),
    "reuse": (["--reuse", "sometimes"], "reuse is 'sometimes': expected one of `always`, `never`, `within"),
    "data_date": (["--data-date", "2024-02-30"], "'2024-02-30' does not match the format"),
    "stage": (["--stage", "prod"], "'prod' is not one of 'shadow', 'beta', 'ga'"),
    "format": (["--format", "xml"], "'xml' is not one of 'table', 'json'"),
    "variant": (["--variant", "nope"], "has no variant 'nope': expected one of default"),
    "input_empty": (["--input", ""], "--input is empty"),
    "input_missing": (["--input", "nope.csv"], "Input file 'nope.csv' does not exist"),
    "input_words": (["--input", "whatever"], "Input 'whatever' is not recognized"),
    "input_table": (["--input", "dev_landing.nope"], "nope was not found"),
    "output_folder": (["--output", "no/such/folder/out.jsonl"], "expected a file in an existing, writable folder"),
    "resume_empty": (["--resume", ""], "Run '' does not exist"),
    "resume_unknown": (["--resume", "nope"], "Run 'nope' does not exist in dev_landing.runs"),
    "resume_epochs": (["--resume", "nope", "--epochs", "2"], "--epochs cannot be combined with --resume"),
    "unknown": (["--nonsense"], "No such option '--nonsense'"),
}


@pytest.mark.parametrize("case", OPTIONS)
def test_an_option_that_makes_no_sense_is_refused_and_nothing_happens(place: Workplace, case: str) -> None:
    arguments, words = OPTIONS[case]
    place.task(f"option_{case}")
    if "--input" not in arguments:
        place.rows("in.csv", TEN)
        arguments = ["--input", "in.csv", *arguments]
    assert words in said(place, USAGE, "run", f"option_{case}", *arguments)
    assert (place.model.count, runs(place, f"option_{case}")) == (0, [])


def test_a_refused_key_stops_the_run_with_what_to_check(place: Workplace, model: ModelEndpoint, name: str) -> None:
    model.react = failing(401, message="Incorrect API key provided")
    place.rows("in.csv", TEN)
    message = said(place, USAGE, "run", place.task(name), "--input", "in.csv")
    assert "Provider 'openai': HTTP 401: Incorrect API key provided; check the key" in message
    assert f"--resume {place.query('select run_id from runs where task = @t limit 1', t=name)[0]['run_id']}" in message
    assert runs(place, name) == [("started", "running"), ("finished", "failed")]


@pytest.mark.parametrize(
    ("status", "code", "words"),
    [
        (429, "billing_not_active", "raise the account's quota"),
        (404, "model_not_found", "correct `model` of the route"),
        (400, "unsupported_parameter", "change `parameters` in task.yml"),
    ],
)
def test_an_error_that_affects_every_record_stops_the_run_at_once(
    place: Workplace, model: ModelEndpoint, name: str, status: int, code: str, words: str
) -> None:
    model.react = failing(status, code=code, message="not for this account")
    place.rows("in.csv", numbered_rows(200))
    message = said(place, USAGE, "run", place.task(name), "--input", "in.csv")
    assert f"Provider 'openai': HTTP {status}: not for this account; {words}" in message
    assert model.count <= CONCURRENCY


def test_an_endpoint_that_rejects_every_request_is_not_asked_for_every_record(
    place: Workplace, model: ModelEndpoint, name: str
) -> None:
    model.react = failing(400, message="this account may not do that")
    place.rows("in.csv", numbered_rows(200))
    message = said(place, USAGE, "run", place.task(name), "--input", "in.csv")
    assert "The first 20 requests of route 'first' were rejected. Provider 'openai': HTTP 400: this account" in message
    assert model.count <= 20 + CONCURRENCY


@pytest.mark.parametrize("reaction", [failing(400), failing(503), lambda _: Reaction(text="I would rather not.")])
def test_a_run_without_a_valid_response_does_not_exit_0(
    place: Workplace, model: ModelEndpoint, name: str, reaction: React
) -> None:
    model.react = reaction
    place.rows("in.csv", TEN)
    done = place.command("run", place.task(name), "--input", "in.csv")
    assert done.returncode == USAGE, done.stderr
    assert "None of the 10 requests of run" in done.stderr
    assert runs(place, name) == [("started", "running"), ("finished", "completed")]


@pytest.mark.parametrize(
    "reaction",
    [Reaction(status=429, headers={"Retry-After": "7200"}), Reaction(hangs=True)],
    ids=["told to wait", "hangs"],
)
def test_a_deadline_ends_every_wait(place: Workplace, model: ModelEndpoint, name: str, reaction: Reaction) -> None:
    model.react = lambda _: reaction
    place.rows("in.csv", numbered_rows(20))
    began = time.monotonic()
    done = place.command("run", place.task(name, deadline_s=2), "--input", "in.csv")
    assert time.monotonic() - began < 40  # seven hundred waits of the endpoint would fit in what it asked for
    assert done.returncode == USAGE
    assert "None of the 20 requests of run" in done.stderr
    [row] = place.query(
        "select countif(error_type = 'timeout' or error_type = 'rate_limited') as n from predictions where task = @t",
        t=name,
    )
    assert row["n"] == 20


def test_a_missing_key_is_told_by_its_variable(place: Workplace, name: str) -> None:
    place.write("providers.yml", f"openai: {{base_url: '{place.model.url}', api_key_env: NO_SUCH_API_KEY}}\n")
    place.rows("in.csv", TEN)
    assert "NO_SUCH_API_KEY" in said(place, USAGE, "run", place.task(name), "--input", "in.csv")


def test_an_endpoint_that_is_down_is_unreachable_and_the_run_can_go_on(
    place: Workplace, model: ModelEndpoint, name: str
) -> None:
    place.rows("in.csv", TEN)
    model.close()
    message = said(place, UNREACHABLE, "run", place.task(name), "--input", "in.csv")
    assert "No endpoint accepts connections" in message
    model.open()
    run_id = place.query("select run_id from runs where task = @t limit 1", t=name)[0]["run_id"]
    assert f"--resume {run_id}" in message
    assert place.run(name, "--resume", run_id)["predictions"] == 10


def test_an_endpoint_that_leaves_in_the_middle_is_unreachable(
    place: Workplace, model: ModelEndpoint, name: str
) -> None:
    def leaves(asked: Asked) -> Reaction:
        if asked.number == 40:
            model.close()
        return well(asked)

    model.react = leaves
    place.rows("in.csv", numbered_rows(100))
    assert "--resume" in said(place, UNREACHABLE, "run", place.task(name), "--input", "in.csv")


def test_a_warehouse_that_is_down_is_unreachable_before_anything_is_read(
    place: Workplace, name: str, nobody: int
) -> None:
    place.rows("in.csv", TEN)
    place.endpoints = Endpoints(rest=f"http://127.0.0.1:{nobody}", grpc=f"127.0.0.1:{nobody}", pid=0)
    message = said(place, UNREACHABLE, "run", place.task(name), "--input", "in.csv")
    assert f"The warehouse at http://127.0.0.1:{nobody} does not respond" in message
    assert "assay up" in message
    assert not (place.root / ".assay" / "snapshots").exists()


def test_a_warehouse_without_tables_is_told_with_the_command_that_makes_them(place: Workplace, name: str) -> None:
    place.rows("in.csv", TEN)
    message = said(place, USAGE, "run", place.task(name), "--input", "in.csv", ASSAY_ENV="staging")
    assert "assay warehouse migrate" in message


ENVIRONMENTS: dict[str, tuple[dict[str, str], str]] = {
    "no_project": ({"ASSAY_ROOT": ""}, "is not in an Assay project"),
    "a_wrong_root": ({"ASSAY_ROOT": "/no/such/folder"}, "ASSAY_ROOT is '/no/such/folder'"),
    "an_unknown_environment": ({"ASSAY_ENV": "production"}, "ASSAY_ENV is 'production': expected one of dev, staging"),
    "prod_without_a_project": ({"ASSAY_ENV": "prod"}, "ASSAY_PROJECT is not set"),
    "a_port_of_letters": ({"ASSAY_PORT_DAGSTER": "web"}, "ASSAY_PORT_DAGSTER is 'web'"),
}


@pytest.mark.parametrize("case", ENVIRONMENTS)
def test_an_environment_that_makes_no_sense_is_refused(
    place: Workplace, tmp_path: Path, case: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    variables, words = ENVIRONMENTS[case]
    monkeypatch.chdir(tmp_path)
    place.root = tmp_path / "elsewhere"
    place.root.mkdir()
    place.environment["ASSAY_ROOT"] = str(tmp_path / "project")
    assert words in said(place, USAGE, "query", "select 1", **variables)
    assert list(place.root.iterdir()) == []


NAUGHTY = SHARED / "data" / "text" / "blns.json"


@pytest.mark.skipif(not NAUGHTY.is_file(), reason="../shared/data/text/blns.json is not there")
def test_the_list_of_naughty_strings_runs_through(place: Workplace, model: ModelEndpoint, name: str) -> None:
    strings = json.loads(NAUGHTY.read_text("utf-8"))
    lines = [json.dumps({"id": number, "text": text}) for number, text in enumerate(strings)]
    place.write("in.jsonl", "\n".join(lines))
    model.react = echoing
    summary = place.run(place.task(name), "--input", "in.jsonl", "--output", "out.jsonl", timeout_s=120)
    assert (summary["records"], summary["statuses"]) == (len(strings), {"ok": len(strings)})
    answers = [json.loads(line)["output"]["note"] for line in (place.root / "out.jsonl").read_bytes().splitlines()]
    assert answers == strings
    rows = place.query("select position, input from records where run_id = @run", run=summary["run_id"])
    assert {row["position"]: row["input"]["text"] for row in rows} == dict(enumerate(strings))


def echoing(asked: Asked) -> Reaction:
    return Reaction(text=json.dumps({"label": "question", "note": asked.prompt}))
