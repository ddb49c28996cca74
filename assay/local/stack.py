"""Starts, stops and reports the local stack; repeating a command changes nothing."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

from assay.errors import AssayError, ServiceUnreachable, UsageError
from assay.local import dagster_parts, emulator, model_server, processes, state
from assay.local.part import Part, is_open, require_free_ports, require_modules
from assay.settings import Settings, process_environment

PARTS = ("warehouse", "model", "dagster-webserver", "dagster-daemon")
POLL_SECONDS = 0.2
REPORT_EVERY_SECONDS = 5.0
LOG_BYTES = 5_000_000
REASON_CHARACTERS = 300

Report = Callable[[str], None]


class PartState(StrEnum):
    """`dead` was started and ended by itself; `starting` lives but is not ready yet."""

    RUNNING = "running"
    STARTING = "starting"
    STOPPED = "stopped"
    DEAD = "dead"


@dataclass(frozen=True, slots=True)
class PartStatus:
    """State of one part; `pid` is None unless it lives."""

    name: str
    state: PartState
    url: str | None
    pid: int | None
    log: Path


@dataclass(frozen=True, slots=True)
class StackOptions:
    """The parts and timeouts of the stack; the defaults fit a user."""

    definitions_module: str = dagster_parts.DEFINITIONS_MODULE
    emulator_module: str = emulator.SERVER_MODULE
    inference_module: str = "xllamacpp"
    weights_package: str = model_server.WEIGHTS_PACKAGE
    wait_seconds: float = 120.0


def up(
    settings: Settings, *, parts: Sequence[str] = PARTS, report: Report, options: StackOptions | None = None
) -> tuple[PartStatus, ...]:
    """Starts the named parts, waits until they are ready, and returns the status of all; running parts are not changed.

    Raises:
        UsageError: a part is unknown, a package is missing, a port or the data is in use by another program.
        ServiceUnreachable: a part ended during its start, or was not ready in time.
    """
    if unknown := [name for name in parts if name not in PARTS]:
        raise UsageError(f"No part of the local stack is called {unknown[0]!r}: expected one of {', '.join(PARTS)}.")
    options = options or StackOptions()
    stack = _Stack(settings, options, report)
    wanted = [part for part in stack.parts if part.name in parts]
    with state.lock(stack.run_dir, report=report):
        due = [part for part in wanted if not stack.left_alone(part)]
        for part in due:
            stack.make_ready(part)
        for wave in (
            [part for part in wanted if part.after is None],
            [part for part in wanted if part.after is not None],
        ):
            stack.bring_up(wave, due)
    return status(settings)


def down(settings: Settings, *, report: Report) -> tuple[PartStatus, ...]:
    """Ends every process of the stack; its data stay. Returns the status of all parts.

    Raises:
        ServiceUnreachable: a process cannot be ended.
    """
    stack = _Stack(settings, StackOptions(), report)
    with state.lock(stack.run_dir, report=report):
        for part in reversed(stack.parts):  # processes that write to the warehouse end before it
            ended = stack.clear(part)
            report(f"{part.name}: stopped" if ended else f"{part.name}: was not running")
    return status(settings)


def status(settings: Settings) -> tuple[PartStatus, ...]:
    """The present status of each part, in the order of `PARTS`; changes nothing and waits a few seconds at most."""
    stack = _Stack(settings, StackOptions(), report=lambda _: None)
    return tuple(stack.status(part) for part in stack.parts)


class _Stack:
    """The parts of one project folder, and the files with their state."""

    def __init__(self, settings: Settings, options: StackOptions, report: Report) -> None:
        self.settings = settings
        self.report = report
        self.wait_seconds = options.wait_seconds
        self.run_dir = settings.state_dir / "run"
        self.parts = (
            emulator.warehouse(settings, module=options.emulator_module),
            model_server.model(settings, module=options.inference_module, weights_package=options.weights_package),
            dagster_parts.webserver(settings, definitions_module=options.definitions_module),
            dagster_parts.daemon(settings, definitions_module=options.definitions_module),
        )

    def log(self, part: Part) -> Path:
        return self.settings.state_dir / "logs" / f"{part.name}.log"

    def file(self, part: Part) -> Path:
        return self.run_dir / f"{part.name}.json"

    def status(self, part: Part) -> PartStatus:
        launch = state.read(self.file(part))
        if launch is None:
            return PartStatus(part.name, PartState.STOPPED, None, None, self.log(part))
        if not processes.is_alive(launch.process):
            return PartStatus(part.name, PartState.DEAD, None, None, self.log(part))
        # A busy part may respond to a probe slowly: once it was ready, an open port is enough.
        at_work = launch.ready and all(is_open(port) for port in launch.ports)
        now = PartState.RUNNING if at_work else PartState.STARTING
        return PartStatus(part.name, now, launch.url, launch.pid, self.log(part))

    def left_alone(self, part: Part) -> bool:
        """True when the part lives on its configured ports."""
        launch = state.read(self.file(part))
        return launch is not None and launch.ports == part.port_numbers and processes.is_alive(launch.process)

    def clear(self, part: Part) -> int:
        """Ends every process of the part and deletes its state; returns the number of processes."""
        launch = state.read(self.file(part))
        leader = launch.process if launch else None
        ended = processes.stop(str(self.file(part)), leader, grace_seconds=part.grace_seconds)
        self.file(part).unlink(missing_ok=True)
        return ended

    def make_ready(self, part: Part) -> None:
        """Prepares the part's start: leftover processes ended, packages installed, ports free."""
        self.clear(part)
        require_modules(part)
        require_free_ports(part)
        part.prepare()

    def bring_up(self, wave: Sequence[Part], due: Sequence[Part]) -> None:
        """Starts the parts that are due, then waits for all; a failure is raised after the others had time to start."""
        for part in wave:
            if part in due:
                self.launch(part)
        failures: list[AssayError] = []
        for part in wave:
            try:
                self.wait(part, already=part not in due)
            except AssayError as error:
                failures.append(error)
        if failures:
            raise failures[0]

    def launch(self, part: Part) -> None:
        log = self.log(part)
        if log.exists() and log.stat().st_size > LOG_BYTES:
            log.replace(log.with_suffix(".log.1"))
        launched_at = time.time()
        process = processes.start(
            part.command,
            environment={**process_environment(self.settings), "PYTHONUNBUFFERED": "1", **part.environment},
            marker=str(self.file(part)),
            log=log,
            cwd=self.settings.root,
        )
        launch = state.Launch(process.pid, process.started, launched_at, part.port_numbers, part.url)
        state.write(self.file(part), launch)

    def wait(self, part: Part, *, already: bool) -> None:
        """Returns when the part is ready."""
        launch = state.read(self.file(part))
        if launch is None:
            raise ServiceUnreachable(
                f"{part.name} has no file {self.file(part)} any more", next_step="run `assay up` again."
            )
        begin = reported_at = time.monotonic()
        while not part.answers(launch.launched_at):
            now = time.monotonic()
            if not processes.is_alive(launch.process):
                raise self.ended(part)
            if now - begin > self.wait_seconds:
                raise self.silent(part)
            if now - reported_at >= REPORT_EVERY_SECONDS:
                self.report(f"{part.name}: starting for {now - begin:.0f} s, log {self.log(part)}")
                reported_at = now
            time.sleep(POLL_SECONDS)
        if not processes.is_alive(launch.process):
            raise self.ended(part)  # another program responded
        state.write(self.file(part), replace(launch, ready=True))
        how = "already running" if already else f"ready after {time.time() - launch.launched_at:.1f} s"
        self.report(f"{part.name}: {how}{f' at {part.url}' if part.url else ''}")

    def ended(self, part: Part) -> AssayError:
        """Returns the error for a part that ended during its start, with its last log lines."""
        log = self.log(part)
        text = log.read_text(encoding="utf-8", errors="replace")[-20_000:] if log.exists() else ""
        if known := part.explain(text):
            return UsageError(f"{part.name} cannot start: {known.cause}", next_step=f"{known.next_step}. Log: {log}")
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        reason = lines[-1][:REASON_CHARACTERS] if lines else "it wrote nothing"
        move = f"; if the port is the cause set {part.remedy}" if part.ports else ""
        return ServiceUnreachable(
            f"{part.name} ended while starting ({reason})", next_step=f"read {log} and run `assay up` again{move}."
        )

    def silent(self, part: Part) -> AssayError:
        """Returns the error for a part that lives but is not ready in time."""
        where = f" at {part.url}" if part.url else ""
        move = f"; to use another port set {part.remedy}" if part.ports else ""
        return ServiceUnreachable(
            f"{part.name} is not ready{where} after {self.wait_seconds:.0f} s",
            next_step=f"read {self.log(part)}, then run `assay up` again to wait longer or `assay down` to give up{move}.",
        )
