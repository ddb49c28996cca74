"""Starts, stops and shows the status of the local stack; all operations are idempotent."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

from assay.errors import AssayError, ServiceUnreachable, UsageError
from assay.local import dagster_parts, emulator, model_server, processes, state
from assay.local.part import Part, is_open, require_free_ports, require_modules
from assay.one_time_codes import new_code
from assay.settings import Settings, process_environment, with_local_token

PARTS = ("warehouse", "model", "dagster-webserver", "dagster-daemon")
POLL_SECONDS = 0.2
REPORT_EVERY_SECONDS = 5.0
LOG_BYTES = 5_000_000
REASON_CHARACTERS = 300

Report = Callable[[str], None]


class PartState(StrEnum):
    """State of a service: `dead` means that it exited without being stopped, `starting` that it is not ready yet."""

    RUNNING = "running"
    STARTING = "starting"
    STOPPED = "stopped"
    DEAD = "dead"


@dataclass(frozen=True, slots=True)
class PartStatus:
    """Status of one service; `pid` is None unless the service is running or starting.

    `page` is the address that opens the service's page in a browser, once; None if it has none or is not running.
    """

    name: str
    state: PartState
    url: str | None
    pid: int | None
    log: Path
    page: str | None = None


@dataclass(frozen=True, slots=True)
class StackOptions:
    """Modules and timeout of the stack; only tests change the defaults."""

    definitions_module: str = dagster_parts.DEFINITIONS_MODULE
    emulator_module: str = emulator.SERVER_MODULE
    inference_module: str = "xllamacpp"
    weights_package: str = model_server.WEIGHTS_PACKAGE
    wait_seconds: float = 120.0


def up(
    settings: Settings, *, parts: Sequence[str] = PARTS, report: Report, options: StackOptions | None = None
) -> tuple[PartStatus, ...]:
    """Starts the named services unless they run, waits until they are ready, and returns the status of all services.

    Raises:
        UsageError: a service is unknown, a package is missing, or another program uses a port or the data.
        ServiceUnreachable: a service exited during its start, or was not ready in time.
    """
    if unknown := [name for name in parts if name not in PARTS]:
        raise UsageError(f"Unknown service of the local stack {unknown[0]!r}: expected one of {', '.join(PARTS)}")
    options = options or StackOptions()
    settings = with_local_token(settings)
    stack = _Stack(settings, options, report)
    wanted = [part for part in stack.parts if part.name in parts]
    with state.lock(stack.run_dir, report=report):
        due = [part for part in wanted if not stack.is_running(part)]
        for part in due:
            stack.prepare(part)
        for wave in (
            [part for part in wanted if part.after is None],
            [part for part in wanted if part.after is not None],
        ):
            stack.start_and_wait(wave, due)
    return status(settings)


def down(settings: Settings, *, report: Report) -> tuple[PartStatus, ...]:
    """Stops every process of the stack and returns the status of all services; data is kept.

    Raises:
        ServiceUnreachable: a process cannot be stopped.
    """
    stack = _Stack(settings, StackOptions(), report)
    with state.lock(stack.run_dir, report=report):
        for part in reversed(stack.parts):  # the warehouse is stopped after the processes that write to it
            ended = stack.clear(part)
            report(f"{part.name}: stopped" if ended else f"{part.name}: was not running")
    return status(settings)


def status(settings: Settings) -> tuple[PartStatus, ...]:
    """The current status of each service, in the order of `PARTS`; probes ports for a few seconds at most."""
    stack = _Stack(settings, StackOptions(), report=lambda _: None)
    return tuple(stack.status(part) for part in stack.parts)


class _Stack:
    """The services of one project's stack, and the files that store their state."""

    def __init__(self, settings: Settings, options: StackOptions, report: Report) -> None:
        self.settings = settings
        self.report = report
        self.wait_seconds = options.wait_seconds
        self.run_dir = settings.state_dir / "run"
        self.token_id = hashlib.sha256(settings.local_token.encode()).hexdigest()[:16]
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
        # A busy service may respond slowly to a probe; once it has been ready, open ports are sufficient.
        at_work = launch.ready and all(is_open(port) for port in launch.ports)
        now = PartState.RUNNING if at_work else PartState.STARTING
        token, page = self.settings.local_token, None
        if part.has_page and token and now is PartState.RUNNING:
            page = f"{launch.url}/?code={new_code(token, page=part.name)}"
        return PartStatus(part.name, now, launch.url, launch.pid, self.log(part), page)

    def is_running(self, part: Part) -> bool:
        """True if the service is already running on its configured ports."""
        launch = state.read(self.file(part))
        if launch is None or launch.ports != part.port_numbers or not processes.is_alive(launch.process):
            return False
        if launch.token_id == self.token_id:
            return True
        self.report(f"{part.name}: runs without the current token of the stack; it is restarted")
        return False

    def clear(self, part: Part) -> int:
        """Stops every process of the service, deletes its state file, and returns the number of processes."""
        launch = state.read(self.file(part))
        leader = launch.process if launch else None
        ended = processes.stop(str(self.file(part)), leader, grace_seconds=part.grace_seconds)
        self.file(part).unlink(missing_ok=True)
        return ended

    def prepare(self, part: Part) -> None:
        """Prepares the start: stops leftover processes, and checks that packages are installed and ports are free."""
        self.clear(part)
        require_modules(part)
        require_free_ports(part)
        part.prepare()

    def start_and_wait(self, wave: Sequence[Part], due: Sequence[Part]) -> None:
        """Starts the services of `wave` that are `due` and waits for the whole wave; then raises the first failure."""
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
        state.write(self.file(part), replace(launch, token_id=self.token_id))

    def wait(self, part: Part, *, already: bool) -> None:
        """Waits until the service is ready."""
        launch = state.read(self.file(part))
        if launch is None:
            raise ServiceUnreachable(
                f"The state file {self.file(part)} of {part.name} was deleted during the start",
                next_step="run `assay up` again.",
            )
        begin = reported_at = time.monotonic()
        while not part.answers(launch.launched_at):
            now = time.monotonic()
            if not processes.is_alive(launch.process):
                raise self.ended(part)
            if now - begin > self.wait_seconds:
                raise self.not_ready(part)
            if now - reported_at >= REPORT_EVERY_SECONDS:
                self.report(f"{part.name}: not ready after {now - begin:.0f} s, still waiting; log: {self.log(part)}")
                reported_at = now
            time.sleep(POLL_SECONDS)
        if not processes.is_alive(launch.process):
            raise self.ended(part)  # the response came from another program
        state.write(self.file(part), replace(launch, ready=True))
        how = "already running" if already else f"ready after {time.time() - launch.launched_at:.1f} s"
        self.report(f"{part.name}: {how}{f' at {part.url}' if part.url else ''}")

    def ended(self, part: Part) -> AssayError:
        """Returns the error for a service that exited during its start, including its last log line."""
        log = self.log(part)
        text = log.read_text(encoding="utf-8", errors="replace")[-20_000:] if log.exists() else ""
        if known := part.explain(text):
            return UsageError(f"{part.name} cannot start: {known.cause}", next_step=f"{known.next_step}. Log: {log}")
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        reason = lines[-1][:REASON_CHARACTERS] if lines else "its log is empty"
        move = f"; if the port is the cause, set {part.remedy}" if part.ports else ""
        return ServiceUnreachable(
            f"{part.name} exited while starting ({reason})",
            next_step=f"see the log {log} and run `assay up` again{move}.",
        )

    def not_ready(self, part: Part) -> AssayError:
        """Returns the error for a service that is running but was not ready in time."""
        where = f" at {part.url}" if part.url else ""
        move = f"; to use another port, set {part.remedy}" if part.ports else ""
        return ServiceUnreachable(
            f"{part.name} is not ready{where} after {self.wait_seconds:.0f} s",
            next_step=f"see the log {self.log(part)}; run `assay up` again to wait longer, or `assay down` to stop{move}.",
        )
