"""`assay review` and `assay labels` as a user types them."""

from __future__ import annotations

import json

import pytest

from tests.end_to_end.stage import endpoints, model, name, place
from tests.end_to_end.workplace import Workplace
from tests.fakes.landed_run import answers, land_run

__all__ = ["endpoints", "model", "name", "place"]


@pytest.fixture
def task(place: Workplace, name: str) -> str:
    """A task whose run of 24 answers has landed."""
    place.task(name)
    land_run(place.warehouse(), name, answers(24))
    return name


def test_fill_says_what_is_in_the_queue(place: Workplace, task: str) -> None:
    done = place.command("review", task, "--fill", "calibration", "--size", "12", "--design", "stratified", "--annotators", "Ana,ben", "--per-item", "2")  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "stratified" in done.stdout and "verdict=fail" in done.stdout
    assert f"next: assay review {task}" in done.stderr
    again = place.command("review", task, "--fill", "calibration", "--size", "5", "--format", "json")
    [sample] = json.loads(again.stdout)
    assert (sample["items"], sample["frame_size"], sample["assignments"], sample["new"]) == (5, 24, 5, 5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--size", "5"], "--size has no effect without --fill"),
        (["--fill", "triage", "--design", "random"], "--design has no effect with --fill triage"),
        (["--fill", "calibration", "--by", "channel"], "--by has no effect without --design stratified"),
        (["--fill", "calibration", "--port", "1"], "--port has no effect with --fill"),
        (["--fill", "calibration", "--as", "user"], "--as has no effect with --fill"),
    ],
)
def test_options_that_mean_nothing_together_are_refused(place: Workplace, task: str, options: list[str], message: str) -> None:  # fmt: skip
    done = place.command("review", task, *options)
    assert done.returncode == 3
    assert message in done.stderr


def test_a_port_that_is_taken_is_said(place: Workplace, task: str) -> None:
    import socket

    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        done = place.command("review", task, "--port", str(other.getsockname()[1]))
    assert done.returncode == 3
    assert "choose a free port with --port" in done.stderr
    assert "the queue is empty; fill it with" in done.stderr


def test_labels_go_out_and_come_in(place: Workplace, task: str) -> None:
    place.write("labels.csv", "record_id,passed,annotator\nr0000,TRUE,Ana\nr0001,FALSE,Ana\n")
    done = place.command("labels", "import", task, "labels.csv", "--format", "json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"rows": 2, "new": 2, "replaced": 0, "unchanged": 0, "remarks": []}
    assert place.command("labels", "export", task, "out.csv").returncode == 0
    assert (place.root / "out.csv").read_text("utf-8").count("\n") == 3
    assert json.loads(place.command("labels", "import", task, "out.csv", "--format", "json").stdout)["unchanged"] == 2


def test_a_file_with_a_fault_exits_3_and_names_the_row(place: Workplace, task: str) -> None:
    place.write("labels.csv", "record_id,passed,annotator\nnope,TRUE,Ana\n")
    done = place.command("labels", "import", task, "labels.csv")
    assert done.returncode == 3
    assert "row 2: record_id 'nope'" in done.stderr
    assert "Traceback" not in done.stderr
