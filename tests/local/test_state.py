"""What is remembered between two commands."""

from __future__ import annotations

from pathlib import Path

import pytest

from assay.errors import UsageError
from assay.local import state

LAUNCH = state.Launch(pid=7, started="boot:1", launched_at=1.5, ports=(1, 2), url="http://127.0.0.1:1")


def test_a_launch_reads_back_as_it_was_written(tmp_path: Path) -> None:
    state.write(tmp_path / "run" / "part.json", LAUNCH)
    assert state.read(tmp_path / "run" / "part.json") == LAUNCH
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["part.json"]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"pid": 7}', '{"ports": [], "colour": 1}'])
def test_a_file_that_tells_of_no_launch_reads_as_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "part.json").write_text(text)
    assert state.read(tmp_path / "part.json") is None


def test_a_second_holder_of_the_lock_is_told_to_wait_and_then_refused(tmp_path: Path) -> None:
    told: list[str] = []
    with (
        state.lock(tmp_path, report=told.append),
        pytest.raises(UsageError, match=r"did not release .*lock within 0 s"),
        state.lock(tmp_path, report=told.append, seconds=0.3),
    ):
        pytest.fail("two were inside at once")
    assert told == ["waiting for another `assay up` or `assay down` to finish"]
