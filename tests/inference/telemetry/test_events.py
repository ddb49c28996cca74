"""The log of a run: its lines, what is kept out of them, and that it never stops anything."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest

from assay.inference.telemetry.events import EVENTS, FILE_BYTES, LINES_PER_SECOND, RunLog, open_log
from assay.inference.telemetry.protocol import NoEvents
from tests.fakes.clock import Clock
from tests.inference.telemetry.rows import RUN_ID


class Log:
    """A log in a folder of its own; `lines` closes and reads it."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "runs" / f"{RUN_ID}.jsonl"
        self.path.parent.mkdir()
        self.clock = Clock()
        self.events = RunLog(self.path, RUN_ID, clock=lambda: 1_795_593_600 + self.clock.seconds)

    def lines(self) -> list[dict[str, Any]]:
        """Every line of the newest file."""
        self.events.close()
        return [json.loads(line) for line in self.path.read_text("utf-8").splitlines()]


@pytest.fixture
def log(tmp_path: Path) -> Log:
    return Log(tmp_path)


def test_an_event_is_a_line_with_its_time_and_its_run(log: Log) -> None:
    log.events.emit("flush", rows=500, ms=31.5)
    assert log.lines() == [
        {"at": "2026-11-25T08:00:00Z", "event": "flush", "run_id": RUN_ID, "rows": 500, "ms": 31.5},
    ]


def test_a_failed_call_tells_kind_and_place_but_not_the_message(log: Log) -> None:
    fields = {"kind": "rate_limited", "http_status": 429, "route": "first", "attempt": 2, "trace_id": RUN_ID}
    log.events.emit("call_failed", **fields, message="HTTP 429: anna@example.com has asked too often")
    (line,) = log.lines()
    assert {name: line[name] for name in fields} == fields
    assert line["withheld"] == ["message"]
    assert "anna" not in str(line)


@pytest.mark.parametrize(
    "text",
    [
        "Anna Smith asks",
        "anna@example.com",
        "x" * 101,
        "line\nbreak",
        '{"a": 1}',
        "\x1b[31mred",
        "“quoted”",
        "",
        "＋49",
    ],
)
def test_a_text_that_is_no_name_is_withheld(log: Log, text: str) -> None:
    log.events.emit("call_failed", kind=text, attempt=1)
    (line,) = log.lines()
    assert (line["withheld"], line["attempt"]) == (["kind"], 1)
    assert "kind" not in line


def test_a_lane_is_told_as_it_is_configured(log: Log) -> None:
    log.events.emit("lane_paused", lane="cloud:@cf/meta/llama 3", paused_s=2.5)
    assert log.lines()[0]["lane"] == "cloud:@cf/meta/llama 3"


def test_an_event_that_nobody_listed_says_only_that_it_was(log: Log) -> None:
    log.events.emit("answer_seen", text="Dear Anna", count=3)
    (line,) = log.lines()
    assert (line["event"], line["withheld"]) == ("answer_seen", ["count", "text"])
    assert "Anna" not in str(line)


def test_a_field_that_is_unknown_is_null_and_not_absent(log: Log) -> None:
    log.events.emit("call_failed", kind="timeout", http_status=None)
    assert log.lines()[0]["http_status"] is None


def test_more_of_one_event_than_a_second_holds_is_counted_not_written(log: Log) -> None:
    for _ in range(LINES_PER_SECOND + 250):
        log.events.emit("call_failed", kind="server")
    log.events.emit("flush", rows=1, ms=1)
    log.clock.seconds = 1.0
    log.events.emit("call_failed", kind="server")
    lines = log.lines()
    assert len(lines) == LINES_PER_SECOND + 2
    assert lines[-1]["left_out"] == 250
    assert "left_out" not in lines[-2]


def test_a_log_is_three_files_of_so_many_bytes_however_long_the_run(tmp_path: Path) -> None:
    clock = Clock()
    events = RunLog(tmp_path / "run.jsonl", RUN_ID, clock=clock.time, file_bytes=20_000)
    for clock.seconds in range(20):
        for _ in range(LINES_PER_SECOND):
            events.emit("call_failed", kind="server", http_status=503, route="first", trace_id=RUN_ID)
    events.close()
    sizes = {file.name: file.stat().st_size for file in tmp_path.iterdir()}
    assert sizes.keys() == {"run.jsonl", "run.jsonl.1", "run.jsonl.2"}
    assert max(sizes.values()) <= 20_000
    assert FILE_BYTES == 10_000_000


def test_shards_and_resumed_runs_keep_each_other_s_lines(tmp_path: Path) -> None:
    for shard in (None, 0, 1, None):
        events = open_log(tmp_path / "logs", RUN_ID, shard=shard)
        events.emit("stage_started", stage="answer", shard=shard)
        events.close()
    files = {file.name: len(file.read_text().splitlines()) for file in (tmp_path / "logs").iterdir()}
    assert files == {f"{RUN_ID}.jsonl": 2, f"{RUN_ID}.shard-0.jsonl": 1, f"{RUN_ID}.shard-1.jsonl": 1}


def test_logs_of_old_runs_are_removed_when_a_new_one_begins(tmp_path: Path) -> None:
    for name, days in (("old.jsonl", 31), ("old.jsonl.1", 40), ("young.jsonl", 29), ("notes.txt", 90)):
        (tmp_path / name).write_text("{}")
        os.utime(tmp_path / name, (time.time() - days * 86400,) * 2)
    open_log(tmp_path, RUN_ID, keep_days=30).close()
    assert {file.name for file in tmp_path.iterdir()} == {"young.jsonl", "notes.txt"}


def test_a_log_that_cannot_be_written_is_told_once_and_stops_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "logs").write_text("a file where the folder should be")
    events = open_log(tmp_path / "logs", RUN_ID)
    for _ in range(3):
        events.emit("flush", rows=1, ms=1)
    events.close()
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("assay: ")
    assert line.endswith("events of the run are not logged.")


def test_an_empty_log_takes_everything_and_keeps_nothing() -> None:
    NoEvents().emit("flush", rows=1, anything="Dear Anna")


def test_every_event_s_fields_are_named_once() -> None:
    assert [name for name, fields in EVENTS.items() if len(fields) != len(set(fields))] == []
