"""State between two commands: the process of each part, and a lock on changes."""

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
    """How a part was started: its process, its ports, and whether it has been ready since.

    `started` is the process's start as the operating system reports it, `launched_at` Unix seconds.
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
    """Returns the launch stored in the file; None when the file is missing or not valid."""
    try:
        fields = json.loads(path.read_text(encoding="utf-8"))
        return Launch(**{**fields, "ports": tuple(fields["ports"])})
    except (FileNotFoundError, json.JSONDecodeError, KeyError, TypeError):
        return None


def write(path: Path, launch: Launch) -> None:
    """Writes the launch to the file atomically."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    draft.write_text(json.dumps(asdict(launch)) + "\n", encoding="utf-8")
    draft.replace(path)


@contextmanager
def lock(folder: Path, *, report: Callable[[str], None], seconds: float = LOCK_SECONDS) -> Iterator[None]:
    """Locks the folder for one process at a time; the lock ends with its process.

    Raises:
        UsageError: another process held the lock for `seconds`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    deadline = time.monotonic() + seconds
    reported = False
    with (folder / "lock").open("a", encoding="ascii") as file:
        while not _taken(file.fileno()):
            if time.monotonic() > deadline:
                raise UsageError(
                    f"Another `assay up` or `assay down` has held {folder / 'lock'} for {seconds:.0f} s",
                    next_step="wait for it, or end it.",
                )
            if not reported:
                report("waiting for another `assay up` or `assay down` to finish")
                reported = True
            time.sleep(LOCK_POLL_SECONDS)
        yield


def _taken(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
