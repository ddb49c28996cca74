"""Starts, identifies and stops processes including all their descendants."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from assay.errors import ServiceUnreachable

MARKER_VARIABLE = "ASSAY_STACK_PART"
PROC = Path("/proc")
PRIVATE = 0o077
"""The umask of every process: other users of the machine can neither read its files nor connect to its sockets."""
KILL_SECONDS = 5.0
POLL_SECONDS = 0.1
ENDED_STATES = frozenset("ZX")  # zombie and dead: the process has exited, even if its exit code was not read


@dataclass(frozen=True, slots=True)
class Process:
    """A running process; `started` distinguishes it from later processes with the same pid."""

    pid: int
    session: int
    started: str


def start(command: Sequence[str], *, environment: Mapping[str, str], marker: str, log: Path, cwd: Path) -> Process:
    """Starts the command in a new session; it writes to `log` and keeps running after this process exits.

    Raises:
        ServiceUnreachable: the process exited before it could be identified.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        child = subprocess.Popen(
            list(command),
            cwd=cwd,
            env={**environment, MARKER_VARIABLE: marker},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            umask=PRIVATE,
        )
    found = find(child.pid)
    # Reaps the child; otherwise it would remain a zombie until this process exits.
    threading.Thread(target=child.wait, daemon=True).start()
    if found is None:
        raise ServiceUnreachable(
            f"{command[0]} (pid {child.pid}) exited immediately after it was started", next_step=f"see the log {log}."
        )
    return found


def find(pid: int) -> Process | None:
    """Returns the running process with that pid, or None."""
    return _from_proc(pid) if _has_proc() else _from_ps("-p", str(pid)).get(pid)


def is_alive(process: Process) -> bool:
    """True while this process is running; a later process with the same pid does not count."""
    return (found := find(process.pid)) is not None and found.started == process.started


def members(marker: str, leader: Process | None) -> list[Process]:
    """Returns every running process that was started with the marker, including descendants.

    On Linux, processes are identified by the marker in their inherited environment, even if they left the session or
    their parent exited. On other systems they are identified by the leader's session, unless its pid has been reused.
    """
    table = _living()
    holder = table.get(leader.pid) if leader else None
    session = leader.pid if leader and (holder is None or holder.started == leader.started) else None
    if _has_proc():
        belongs = {pid for pid in table if _carries(pid, marker)}
        # If the leader has exited, its session number may have been reused, so only the marker counts.
        session = session if holder else None
    else:
        belongs = set()
    belongs |= {pid for pid, process in table.items() if session is not None and process.session == session}
    return [table[pid] for pid in sorted(belongs - {os.getpid()})]


def stop(marker: str, leader: Process | None, *, grace_seconds: float) -> int:
    """Stops every process with the marker and returns their number.

    Each process receives SIGTERM and, after the grace period, SIGKILL.

    Raises:
        ServiceUnreachable: a process cannot be stopped.
    """
    seen: set[int] = set()
    for sent, seconds in ((signal.SIGTERM, grace_seconds), (signal.SIGKILL, KILL_SECONDS)):
        signaled: set[int] = set()
        deadline = time.monotonic() + seconds
        while left := members(marker, leader):
            _send([process for process in left if process.pid not in signaled], sent)
            signaled |= {process.pid for process in left}
            seen |= signaled
            if time.monotonic() > deadline:
                break
            time.sleep(POLL_SECONDS)
    if left:
        pids = ", ".join(str(process.pid) for process in left)
        raise ServiceUnreachable(
            f"Still running after SIGKILL: pid {pids}", next_step="check these processes and run `assay down` again."
        )
    return len(seen)


def _send(targets: Iterable[Process], number: signal.Signals) -> None:
    for process in targets:
        with suppress(ProcessLookupError, PermissionError):
            if is_alive(process):
                os.kill(process.pid, number)


def _living() -> dict[int, Process]:
    if not _has_proc():
        return _from_ps("-A")
    pids = (int(entry.name) for entry in PROC.iterdir() if entry.name.isdigit())
    return {process.pid: process for pid in pids if (process := _from_proc(pid)) is not None}


def _has_proc() -> bool:
    return (PROC / "self" / "stat").exists()


def _from_proc(pid: int) -> Process | None:
    try:
        text = (PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    # The process name, in parentheses, may contain spaces and parentheses; the fields after it never do.
    fields = text.rpartition(")")[2].split()
    if fields[0] in ENDED_STATES:
        return None
    boot = (PROC / "sys" / "kernel" / "random" / "boot_id").read_text(encoding="ascii").strip()
    return Process(pid=pid, session=int(fields[3]), started=f"{boot}:{fields[19]}")


def _from_ps(*which: str) -> dict[int, Process]:
    command = ["ps", *which, "-o", "pid=,pgid=,stat=,lstart="]
    lines = subprocess.run(command, capture_output=True, text=True, check=False, timeout=10).stdout.splitlines()
    rows = [fields for line in lines if len(fields := line.split(maxsplit=3)) == 4 and fields[2][0] not in ENDED_STATES]
    return {int(pid): Process(pid=int(pid), session=int(group), started=began) for pid, group, _, began in rows}


def _carries(pid: int, marker: str) -> bool:
    try:
        variables = (PROC / str(pid) / "environ").read_bytes().split(b"\0")
    except OSError:  # the process has exited or belongs to another user
        return False
    return f"{MARKER_VARIABLE}={marker}".encode() in variables
