"""State that persists between commands: the process of each service, and a lock against concurrent changes."""

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
    """The launch of a service: its process, its ports, and whether it has become ready.

    `token_id` identifies the token that the service requires; it is empty for a launch by a version without tokens.
    `started` is the start time of the process as reported by the operating system; `launched_at` is in Unix seconds.
    """

    pid: int
    started: str
    launched_at: float
    ports: tuple[int, ...]
    url: str | None
    ready: bool = False
    token_id: str = ""

    @property
    def process(self) -> Process:
        """The first process of the service, which is its session leader."""
        return Process(pid=self.pid, session=self.pid, started=self.started)


def read(path: Path) -> Launch | None:
    """Returns the launch stored in the file, or None if the file is missing or invalid."""
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
    """Locks the folder for one process at a time; the lock is released when its process exits.

    Raises:
        UsageError: the lock was not released within `seconds`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    deadline = time.monotonic() + seconds
    reported = False
    with (folder / "lock").open("a", encoding="ascii") as file:
        while not _taken(file.fileno()):
            if time.monotonic() > deadline:
                raise UsageError(
                    f"Another `assay up` or `assay down` did not release {folder / 'lock'} within {seconds:.0f} s",
                    next_step="wait for that command, or stop it.",
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
