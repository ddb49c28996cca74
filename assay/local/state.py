"""What is remembered between two commands: which process each part runs as, and who may change that now.

Belongs here: the files in `<state_dir>/run`. Whether a process still lives is asked of `processes.py`.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from assay.errors import UsageError
from assay.local.processes import Process

LOCK_SECONDS = 300.0
LOCK_POLL_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class Launch:
    """How a part was started: its process, the ports it was given, and whether it has answered since.

    `started` is the process's start as the operating system tells it, `launched_at` Unix seconds.
    """

    pid: int
    started: str
    launched_at: float
    ports: tuple[int, ...]
    url: str | None
    ready: bool = False

    @property
    def process(self) -> Process:
        """The first process of the part, which leads its session."""
        return Process(pid=self.pid, session=self.pid, started=self.started)


def read(path: Path) -> Launch | None:
    """The launch that the file tells of; None when there is none or it cannot be read as one."""
    try:
        fields = json.loads(path.read_text(encoding="utf-8"))
        return Launch(**{**fields, "ports": tuple(fields["ports"])})
    except (FileNotFoundError, json.JSONDecodeError, KeyError, TypeError):
        return None


def write(path: Path, launch: Launch) -> None:
    """The file tells of the launch; a reader sees the old text or the new, never a part of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    draft.write_text(json.dumps(asdict(launch)) + "\n", encoding="utf-8")
    draft.replace(path)


@contextmanager
def lock(folder: Path, *, report: Callable[[str], None], seconds: float = LOCK_SECONDS) -> Iterator[None]:
    """Only one process at a time is inside for this folder; the lock ends with its process.

    Raises:
        UsageError: another one stayed inside for `seconds`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    deadline = time.monotonic() + seconds
    told = False
    with (folder / "lock").open("a", encoding="ascii") as file:
        while not _taken(file.fileno()):
            if time.monotonic() > deadline:
                raise UsageError(
                    f"Another `assay up` or `assay down` has held {folder / 'lock'} for {seconds:.0f} s",
                    next_step="wait for it, or end it.",
                )
            if not told:
                report("waiting for another `assay up` or `assay down` to finish")
                told = True
            time.sleep(LOCK_POLL_SECONDS)
        yield


def _taken(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
