"""Files to read and snapshots to make, as a user would have them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from assay.inputs.raw_rows import RawRow, Source
from assay.inputs.rules import InputRules
from assay.inputs.snapshot import InputSnapshot, Lifetime, spool
from assay.inputs.sources import open_source
from assay.ports import QueryPort

HASH_KEY = b"k" * 32
DAY = date(2024, 5, 1)


@dataclass(frozen=True)
class Desk:
    """A project folder with inputs in it."""

    root: Path

    def write(self, name: str, content: bytes | str) -> str:
        """The file holds `content`; returns its name."""
        (self.root / name).write_bytes(content.encode() if isinstance(content, str) else content)
        return name

    def open(self, name: str, query: QueryPort | None = None) -> Source:
        """The source behind a file, table or query."""
        return open_source(name, root=self.root, query=query, data_date=DAY)

    def rows(self, name: str, content: bytes | str, *, max_cell_bytes: int = 1_000_000) -> list[RawRow]:
        """Every row of a file with `content`."""
        return list(self.open(self.write(name, content)).rows(max_cell_bytes=max_cell_bytes))

    def spool(
        self, name: str, *, query: QueryPort | None = None, lifetime: Lifetime | None = None, **rules: Any
    ) -> InputSnapshot:
        """A snapshot of a source, in a folder of its own."""
        return spool(
            self.open(name, query),
            InputRules(**{"record_id": "id", **rules}),
            directory=self.root / "snapshots" / f"run-{len(list(self.root.glob('snapshots/run-*')))}",
            hash_key=HASH_KEY,
            report=lambda rows: None,
            lifetime=lifetime,
        )


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """An empty project folder."""
    return Desk(tmp_path)


@pytest.fixture
def reasons() -> Callable[[InputSnapshot], Mapping[int, str]]:
    """Position to reason of the rejected rows of a snapshot."""
    return lambda snapshot: {row.position: row.reason for row in snapshot.rejected()}
