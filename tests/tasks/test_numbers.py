"""A number of task.yml that no column can hold is an issue with its line, wherever it stands."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from tests.fakes.task_folder import TaskFolder

HUGE = ["9" * 20, "-" + "9" * 20, "9" * 5000, "0x" + "f" * 5000]
PLACES = {
    "sla": ("stage: shadow", "sla: {{latency_ms: {}}}"),
    "seed": ("  temperature: 0\n", "  temperature: 0\n  seed: {}\n"),
    "max_tokens": ("max_tokens: 60", "max_tokens: {}"),
    "nested": ("  temperature: 0\n", "  temperature: 0\n  more: {{a: [{}]}}\n"),
    "check": ("    field: label\n", "    field: label\n    more: {}\n"),
    "timeout": ("    model: gpt-5-nano\n", "    model: gpt-5-nano\n    timeout_s: {}\n"),
}


@pytest.fixture
def folder(tmp_path: Path) -> TaskFolder:
    return TaskFolder(tmp_path)


@pytest.mark.parametrize("number", HUGE, ids=["20", "-20", "5000", "hex"])
@pytest.mark.parametrize("place", PLACES)
def test_an_integer_beyond_64_bits_is_an_issue_at_its_line(folder: TaskFolder, place: str, number: str) -> None:
    old, new = PLACES[place]
    if place == "sla":
        folder.edit("variants:\n", new.format(number) + "\nvariants:\n")
    else:
        folder.edit(old, new.format(number))
    lines = (folder.path / "task.yml").read_text("utf-8").splitlines()
    [issue] = folder.issues()
    assert number in lines[issue.line - 1]
    assert "expected an integer from -9223372036854775808 to 9223372036854775807" in str(issue)
    assert len(str(issue)) < 300


@pytest.mark.parametrize("value", [".nan", ".inf", "1e999"])
@pytest.mark.parametrize("key", ["thresholds: {{reliability: {}}}", "thresholds: {{cost_per_correct_usd: {}}}"])
def test_a_number_that_is_not_finite_is_called_so(folder: TaskFolder, key: str, value: str) -> None:
    folder.edit("thresholds:\n  reliability: 0.8\n", key.format(value) + "\n")
    [issue] = folder.issues()
    assert "finite number" in str(issue)


def test_a_day_that_no_calendar_has_is_an_issue(folder: TaskFolder) -> None:
    folder.edit("owner: data-team", "owner: 2024-02-99")
    assert "expected a date or time of the calendar, found '2024-02-99'" in str(folder.issues()[0])


@pytest.mark.parametrize("tokens", ["0", "10000001", "1.5", "true"])
def test_output_tokens_are_bounded(folder: TaskFolder, tokens: str) -> None:
    folder.edit("max_tokens: 60", f"max_tokens: {tokens}")
    assert f"max_tokens must be a positive integer, not {yaml.safe_load(tokens)}; at most 10,000,000" in str(
        folder.issues()[0]
    )
