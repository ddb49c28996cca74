"""Inputs and endpoints that outsiders brought (../shared/cases), through the commands, with the values of its README."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from assay.guards.masking import PLACEHOLDER_NAMES
from tests.end_to_end.workplace import CONCURRENCY, Workplace, numbered_rows, until
from tests.paths import SHARED

CASES = SHARED / "cases"
USAGE, DOOR = 3, 4
MEBIBYTE = 1 << 20

pytestmark = [
    pytest.mark.verify,
    pytest.mark.skipif(
        not CASES.is_dir(), reason="the cases of outsiders are not beside the checkout (../shared/cases)"
    ),
]


def free_port() -> int:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        return int(unused.getsockname()[1])


def listens(port: int) -> bool:
    with socket.socket() as made:
        made.settimeout(1)
        return made.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture(scope="module")
def bad_endpoint() -> Iterator[str]:
    """The address of the endpoint whose path names its behaviour."""
    port = free_port()
    with subprocess.Popen([sys.executable, str(CASES / "wire" / "bad_endpoint.py"), str(port)]) as process:
        until(lambda: listens(port))
        yield f"http://127.0.0.1:{port}"
        process.kill()


@pytest.fixture
def evil_endpoint(mode: str) -> Iterator[str]:
    """The address of the hostile endpoint in a mode."""
    port = free_port()
    command = [sys.executable, str(CASES / "wire" / "evil_endpoint.py"), mode, str(port)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        until(lambda: listens(port))
        yield f"http://127.0.0.1:{port}/v1"
        process.kill()


def provider(place: Workplace, base_url: str, **edits: Any) -> None:
    """The project's only provider is at the address."""
    stated = {"base_url": base_url, "api_key_env": None, "concurrency": CONCURRENCY, **edits}
    place.write("providers.yml", yaml.safe_dump({"openai": stated}))


def only_label(place: Workplace, name: str, **edits: Any) -> str:
    """A task whose answer is a label."""
    made = place.task(name, **edits)
    output = (place.root / "tasks" / name / "output.py").read_text("utf-8").replace("    note: str\n", "")
    place.write(f"tasks/{name}/output.py", output)
    return made


def asked(address: str, scenario: str) -> int:
    """The number of requests of a scenario so far."""
    return int(httpx.get(f"{address}/_stats", timeout=10).json().get(scenario, 0))


OF_EVERY_RECORD = {
    "notactive429": "account is not active zzq9",
    "hardlimit400": "Billing hard limit zzq8",
    "err200_402": "credits are used up zzq2",
    "s404model": "model nope does not exist zzq11",
    "noschema": "This response_format type is not available zzq12",
}


@pytest.mark.parametrize("scenario", OF_EVERY_RECORD)
def test_an_error_of_every_record_stops_the_run_with_the_words_of_the_provider(
    place: Workplace, name: str, bad_endpoint: str, scenario: str
) -> None:
    provider(place, f"{bad_endpoint}/{scenario}/v1")
    place.rows("in.csv", numbered_rows(200))
    done = place.command("run", only_label(place, name), "--input", "in.csv")
    assert done.returncode == USAGE, done.stderr
    assert OF_EVERY_RECORD[scenario] in done.stderr
    assert asked(bad_endpoint, scenario) <= 2 * CONCURRENCY


def test_a_parameter_that_a_model_refuses_for_the_judge_stops_the_run(
    place: Workplace, name: str, bad_endpoint: str
) -> None:
    provider(place, f"{bad_endpoint}/gpt5/v1")
    place.rows("in.csv", numbered_rows(100))
    done = place.command("run", only_label(place, name), "--input", "in.csv")
    assert done.returncode == USAGE
    assert "max_tokens is not supported with this model; use max_completion_tokens zzq13" in done.stderr


def test_a_deadline_holds_while_a_provider_wants_two_hours(place: Workplace, name: str, bad_endpoint: str) -> None:
    provider(place, f"{bad_endpoint}/ra_long/v1")
    place.rows("in.csv", numbered_rows(5))
    began = time.monotonic()
    done = place.command("run", only_label(place, name, deadline_s=20), "--input", "in.csv", timeout_s=90)
    assert time.monotonic() - began < 45
    assert done.returncode != 0


def test_the_local_warehouse_is_not_asked_through_a_proxy(place: Workplace, name: str) -> None:
    place.rows("in.csv", numbered_rows(5))
    dead = f"http://127.0.0.1:{free_port()}"
    task = place.task(name)
    done = place.command(
        "run", task, "--input", "in.csv", HTTP_PROXY=dead, HTTPS_PROXY=dead, http_proxy=dead, ALL_PROXY=dead
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("mode", ["huge", "hugechunked", "gzip", "deep", "hdr"])
def test_the_body_of_an_endpoint_takes_no_more_memory_than_documented(
    place: Workplace, name: str, evil_endpoint: str, mode: str
) -> None:
    provider(place, evil_endpoint)
    place.rows("in.csv", numbered_rows(3))
    code, told, most = measured(place, "run", only_label(place, name, deadline_s=30), "--input", "in.csv")
    assert code != 0, told
    assert "Traceback" not in told
    assert most < 500 * MEBIBYTE


def test_a_huge_cell_of_a_small_parquet_file_is_refused_within_its_memory(place: Workplace, name: str) -> None:
    place.write("in.parquet", (CASES / "inputs" / "one_huge_cell.parquet").read_bytes())
    code, told, most = measured(place, "run", place.task(name), "--input", "in.parquet")
    assert code in (USAGE, DOOR), told
    assert most < 500 * MEBIBYTE


def measured(place: Workplace, *arguments: str) -> tuple[int, str, int]:
    """The exit code, the messages and the largest resident memory in bytes of a command."""
    most = 0
    with place.start(*arguments) as process:
        status = Path(f"/proc/{process.pid}/status")
        while process.poll() is None:
            found = re.search(r"VmHWM:\s+(\d+) kB", status.read_text("ascii", errors="replace"))
            most = max(most, int(found[1]) * 1024) if found else most
            time.sleep(0.05)
        out, told = process.communicate()
    return process.returncode, out + told, most


def test_a_script_is_no_input(place: Workplace, name: str) -> None:
    task = place.task(name)
    for text in (
        "select '1' as id, 'a' as text; drop table runs",
        "begin select '1' as id, 'a' as text; end",
        "select '1' as id, content as text from read_text('/etc/passwd')",
    ):
        done = place.command("run", task, "--input", text)
        assert done.returncode == USAGE, (text, done.stderr)
    assert place.model.count == 0
    commented = (CASES / "inputs" / "sql_comment_first.sql").read_text("utf-8")
    assert place.run(task, "--input", commented)["predictions"] == 1


TABLES = ("records", "predictions", "responses", "scores", "rejected_records", "runs", "estimates")


def test_ids_that_are_addresses_are_warned_about_or_hashed(place: Workplace, name: str) -> None:
    place.write("in.csv", (CASES / "inputs" / "ids_are_emails.csv").read_bytes())
    masked = {"masking": {"enabled": True}}
    plain = place.command("run", place.task(f"{name}_a", **masked), "--input", "in.csv")
    assert plain.returncode == 0 and "look personal" in plain.stderr, plain.stderr
    hashed = {"record_id": {"column": "id", "hash": True}, "fields": {"text": "text"}, "slices": {"channel": "channel"}}
    spec = {"input": {**hashed, "max_rejected": 0.5}, **masked}
    summary = place.run(place.task(f"{name}_b", **spec), "--input", "in.csv")
    for table in TABLES:
        rows = place.query(f"select * from {table} where run_id = @run", run=summary["run_id"])
        leaked = re.findall(r"(?:alice|carol)@", json.dumps(rows, default=str))
        assert not leaked, table


def test_identifiers_are_masked_in_every_spelling_and_no_other_text(place: Workplace, name: str) -> None:
    spelled = [
        json.loads(line) for line in (CASES / "inputs" / "identifier_spellings.jsonl").read_text("utf-8").splitlines()
    ]
    ibans = (CASES / "inputs" / "iban_registry.csv").read_text("utf-8").splitlines()[1:]
    wanted = {f"s{number}": (one["kind"], one["text"]) for number, one in enumerate(spelled)}
    wanted |= {f"i{number}": ("IBAN_CODE", line.partition(",")[2]) for number, line in enumerate(ibans)}
    prompts = sent(place, name, {key: text for key, (_, text) in wanted.items()})
    for key, (kind, text) in wanted.items():
        placeholder = f"<{PLACEHOLDER_NAMES.get(kind)}_"
        assert (placeholder in prompts[key]) if kind != "NONE" else prompts[key] == text, (text, prompts[key])


def test_few_business_texts_lose_anything(place: Workplace, name: str) -> None:
    texts = (CASES / "inputs" / "business_text.txt").read_text("utf-8").splitlines()
    given = {f"b{number}": text for number, text in enumerate(texts) if text.strip()}
    prompts = sent(place, name, given)
    assert sum(prompts[key] != text for key, text in given.items()) <= 2 * len(given) / 60


def sent(place: Workplace, name: str, texts: dict[str, str]) -> dict[str, str]:
    """The text that the model was sent for each record, masked."""
    place.write("in.jsonl", "".join(json.dumps({"id": key, "text": text}) + "\n" for key, text in texts.items()))
    summary = place.run(place.task(name, masking={"enabled": True}), "--input", "in.jsonl")
    assert summary["predictions"] == len(texts)
    rows = place.query("select record_id, input from records where run_id = @run", run=summary["run_id"])
    return {row["record_id"]: _text_of(row["input"]) for row in rows}


def _text_of(content: Any) -> str:
    fields = json.loads(content) if isinstance(content, str) else content
    return str(fields["text"])
