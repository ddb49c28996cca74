"""The answers given back: in the order of the input, for their owner only, or a word about why not."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from assay.errors import UsageError
from assay.scoring.score_stage import write_predictions
from tests.end_to_end.workplace import numbered_rows
from tests.fakes.model_endpoint import ModelEndpoint, failing
from tests.runs.bench import Bench


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "answers"
    made.mkdir()
    return made


def test_answers_stand_in_the_order_of_the_input_one_a_line_and_epoch(bench: Bench, name: str, folder: Path) -> None:
    run = bench.admit(bench.place.task(name), input=bench.place.rows("in.csv", numbered_rows(5)[::-1]), epochs=2)
    bench.end(run)
    assert write_predictions(bench.project, run, folder / "out.jsonl") == 10
    lines = [json.loads(line) for line in (folder / "out.jsonl").read_bytes().splitlines()]
    assert [(line["record_id"], line["epoch"]) for line in lines] == [
        (f"r{number:05}", epoch) for number in (4, 3, 2, 1, 0) for epoch in (0, 1)
    ]
    assert lines[0]["output"] == {"label": "question", "note": "text"}


def test_a_record_without_an_answer_has_its_line_with_its_status(
    bench: Bench, model: ModelEndpoint, name: str, folder: Path
) -> None:
    model.react = failing(400)
    run = bench.admit(bench.place.task(name), input=bench.place.rows("in.csv", numbered_rows(1)))
    bench.end(run)
    write_predictions(bench.project, run, folder / "out.jsonl")
    assert json.loads((folder / "out.jsonl").read_bytes()) == {
        "record_id": "r00000", "epoch": 0, "status": "failed", "output": None,
    }  # fmt: skip


def test_the_file_is_for_its_owner_only_also_over_leftovers(bench: Bench, name: str, folder: Path) -> None:
    path = folder / "out.jsonl"
    for leftover in (path, folder / "out.jsonl.partial"):
        leftover.write_text("old")
        leftover.chmod(0o644)
    run = bench.admit(bench.place.task(name), input=bench.place.rows("in.csv", numbered_rows(2)))
    bench.end(run)
    write_predictions(bench.project, run, path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [entry.name for entry in folder.iterdir()] == ["out.jsonl"]


def test_a_file_that_cannot_be_written_is_told_with_how_to_get_the_answers(
    bench: Bench, name: str, folder: Path
) -> None:
    run = bench.admit(bench.place.task(name), input=bench.place.rows("in.csv", numbered_rows(1)))
    bench.end(run)
    folder.rmdir()
    with pytest.raises(UsageError, match=rf"--resume {run.run_id} --output FILE`; no request is sent again"):
        write_predictions(bench.project, run, folder / "out.jsonl")
