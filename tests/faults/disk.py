"""A disk that refuses: the library of `faulty_disk.c`, loaded into the processes of one command."""

from __future__ import annotations

import struct
import subprocess
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from shutil import which
from tempfile import mkdtemp

import pytest

SOURCE = Path(__file__).with_name("faulty_disk.c")
COUNT = struct.Struct("<Q")

needs_compiler = pytest.mark.skipif(which("cc") is None, reason="a C compiler builds the faulty disk")


@lru_cache(maxsize=1)
def library() -> Path:
    """The compiled library."""
    built = Path(mkdtemp(prefix="faulty-disk-")) / "faulty_disk.so"
    subprocess.run(
        ["cc", "-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o", str(built), str(SOURCE), "-ldl"],
        check=True,
        timeout=60,
    )
    return built


@dataclass
class FaultyDisk:
    """The files below `folder`, as the commands with its `variables` see them; `counter` is a file outside it."""

    folder: Path
    counter: Path

    def variables(self, *, error: int, fails_from: int | None = None, fails_to: int | None = None) -> dict[str, str]:
        """The environment in which calls from the given one on fail; they are counted in any case."""
        self.counter.write_bytes(COUNT.pack(0))
        found = {
            "LD_PRELOAD": str(library()),
            "FAULT_DIR": str(self.folder),
            "FAULT_COUNTER": str(self.counter),
            "FAULT_ERRNO": str(error),
        }
        if fails_from is not None:
            found["FAULT_FROM"] = str(fails_from)
        if fails_to is not None:
            found["FAULT_TO"] = str(fails_to)
        return found

    @property
    def calls(self) -> int:
        """Calls so far that can fail with the error."""
        (count,) = COUNT.unpack(self.counter.read_bytes())
        return int(count)
