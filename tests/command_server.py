"""Runs `assay` commands in processes that are forked from one that has imported the engine: a second less for each.

A command gets its own process, environment, working folder and output files, as it would from a shell; only the
interpreter's start and the imports are shared. Commands that are killed, and those whose start is tested, are started
by the shell's way instead (`Workplace.start`).
"""

from __future__ import annotations

import atexit
import functools
import gc
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from tests.line_server import LineServer, start_line_server

ASSAY = Path(sys.executable).with_name("assay")
READY_WITHIN_S = 120.0
PRELOADED = (
    *(
        "assay.cli.application",
        "assay.pipeline",
        "assay.report.scorecard",
        "assay.evaluation.evaluate",
        "assay.labels.session",
    ),
    *("duckdb", "genai_prices.data", "grpc", "httptools", "jinja2", "numpy", "openai", "pandas", "pyarrow.parquet"),
    *("rich.console", "scipy.stats", "sqlite3", "uvloop"),
)


@dataclass(frozen=True, slots=True)
class Server:
    """Runs commands by the process that forks."""

    lines: LineServer

    def run(
        self, arguments: Sequence[str], *, cwd: Path, env: Mapping[str, str], timeout_s: float
    ) -> subprocess.CompletedProcess[str]:
        """The command, ended.

        Raises:
            subprocess.TimeoutExpired: it took longer; it was killed.
            RuntimeError: the server does not work; the message ends with its log.
        """
        place = Path(tempfile.mkdtemp(dir=self.lines.folder))
        self.lines.send(arguments=list(arguments), cwd=str(cwd), env=dict(env), place=str(place))
        if not _appears(place / "pid", within_s=READY_WITHIN_S):
            raise RuntimeError(f"no command was started:\n{self.lines.log.read_text(encoding='utf-8')[-2000:]}")
        if not _appears(place / "code", within_s=timeout_s):
            os.kill(int((place / "pid").read_text(encoding="ascii")), signal.SIGKILL)
            raise subprocess.TimeoutExpired([str(ASSAY), *arguments], timeout_s)
        code = int((place / "code").read_text(encoding="ascii"))
        out, err = ((place / name).read_text(encoding="utf-8") for name in ("out", "err"))
        return subprocess.CompletedProcess([str(ASSAY), *arguments], code, out, err)


@functools.cache
def command_server() -> Server:
    """The server of this process, started on first use."""
    return Server(start_line_server("tests.command_server"))


def _appears(path: Path, *, within_s: float) -> bool:
    deadline = time.monotonic() + within_s
    while not path.exists():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.005)
    return True


def serve() -> None:
    """Forks for each line of stdin; returns in the process of a command, and when stdin ends."""
    _preload()
    gc.freeze()  # the collector would touch, so copy, every page of the imports
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for those that wait
    for line in sys.stdin.buffer:
        if os.fork() == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            request = json.loads(line)
            command = os.fork()
            if command == 0:
                _become(request)
                return
            _wait(command, Path(request["place"]))


def _preload() -> None:
    import importlib

    from assay.performance.lean_import import load_queries, load_writes

    load_queries()
    load_writes()
    for name in PRELOADED:
        importlib.import_module(name)


def _become(request: Mapping[str, object]) -> None:
    place = Path(str(request["place"]))
    for descriptor, path in ((0, Path(os.devnull)), (1, place / "out"), (2, place / "err")):
        opened = os.open(path, os.O_RDONLY if descriptor == 0 else os.O_WRONLY | os.O_CREAT, 0o600)
        os.dup2(opened, descriptor)
        os.close(opened)
    os.environ.clear()
    os.environ.update(request["env"])  # type: ignore[call-overload]
    os.chdir(str(request["cwd"]))
    sys.argv = [str(ASSAY), *request["arguments"]]  # type: ignore[misc]
    sys.path[0] = str(ASSAY.parent)
    sys.modules["__main__"].__package__ = None  # click names the program by it


def _wait(command: int, place: Path) -> NoReturn:
    _write(place / "pid", command)
    _, status = os.waitpid(command, 0)
    _write(place / "code", os.waitstatus_to_exitcode(status))
    os._exit(0)


def _write(path: Path, number: int) -> None:
    draft = path.with_suffix(".draft")
    draft.write_text(str(number), encoding="ascii")
    draft.rename(path)


def main() -> None:
    """Serves; in the process of a command, runs it and exits as it does."""
    serve()
    if sys.argv[0] == str(ASSAY):
        from assay.cli import main as command

        try:
            command()
        except SystemExit as ended:
            threading._shutdown()  # type: ignore[attr-defined]
            atexit._run_exitfuncs()
            sys.stdout.flush()
            os._exit(int(ended.code or 0))  # taking down the imports one by one would copy their pages


if __name__ == "__main__":
    main()
