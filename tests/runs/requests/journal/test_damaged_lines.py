"""Lines of a journal that a disk has damaged are named and kept, and cost nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from assay.runs.requests.journal.pages import HEAD
from tests.runs.requests.journal.test_journal import call, opened


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "run-1" / "0-of-1"


@pytest.mark.parametrize("damage", [b'{"call"', b"[[1, 2]]", b'[["predictions", ["x"]]]', b'{"route": 1}', b"\xff\x00"])
def test_damaged_lines_are_reported_and_copied_and_the_others_read(
    folder: Path, caplog: pytest.LogCaptureFixture, damage: bytes
) -> None:
    journal = opened(folder)
    journal.dispatched(call("a"))
    journal.dispatched(call("b"))
    journal.close(everything_landed=False)
    page = next(path for path in sorted(folder.glob("*.journal")) if b'"call"' in path.read_bytes())
    content = bytearray(page.read_bytes())
    start = HEAD.size
    end = content.index(b"\n", start)
    content[start:end] = damage.ljust(end - start)
    page.write_bytes(content)

    found = opened(folder).recover()

    assert [lost.call_id for lost in found.broken_off] == ["b"]
    assert f"{folder} has 1 damaged lines" in caplog.text
    assert folder.with_name(f"{folder.name}.damaged").read_bytes().strip().startswith(damage.strip())
