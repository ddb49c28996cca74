"""A helper process of the tests that takes one JSON object per line of stdin; it ends with the process that started it."""

from __future__ import annotations

import atexit
import json
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from tests.paths import ROOT


@dataclass(frozen=True, slots=True)
class LineServer:
    """A running helper; `folder` is its own and is removed at the end, `log` is its output."""

    process: subprocess.Popen[bytes]
    stdin: IO[bytes]
    folder: Path
    log: Path

    def send(self, **request: object) -> None:
        """Sends a request; the helper answers by other means."""
        self.stdin.write(json.dumps(request).encode() + b"\n")
        self.stdin.flush()


def start_line_server(module: str) -> LineServer:
    """Starts `python -m MODULE`."""
    folder = Path(tempfile.mkdtemp(prefix=f"{module.rpartition('.')[2]}-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    log = folder / "log"
    with log.open("wb") as out:
        command = [sys.executable, "-m", module]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=out, stderr=subprocess.STDOUT, cwd=ROOT)
    assert process.stdin is not None
    atexit.register(end, process)
    return LineServer(process, process.stdin, folder, log)


def end(process: subprocess.Popen[bytes]) -> None:
    """Kills the process and waits for it."""
    process.kill()
    process.wait(timeout=10)
    if process.stdin is not None:
        process.stdin.close()
