"""The group of all commands: runs one, and converts every error into a message and the documented exit code."""

from __future__ import annotations

import io
import os
import select
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any, TextIO

import click

from assay.cli.data import reading, tasks, warehouse
from assay.cli.evals import cache, calibrate, evaluate, power, route
from assay.cli.evals import labels as review
from assay.cli.opening import CONTINUE
from assay.cli.ops import stack
from assay.cli.runs import adopt, run
from assay.errors import AssayError, ServiceUnreachable, exit_code_of, is_disk_error, printable
from assay.stop_signals import ignore_stop_signals, received_signal, stopped_code


class AssayGroup(click.Group):
    """Converts every error of a command into a message and the documented exit code."""

    def invoke(self, ctx: click.Context) -> Any:
        """Runs the command; an `AssayError` exits with its own code, any other error with 3, both with a message."""
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()  # so that a closed pipe raises here, not at interpreter shutdown
            return result
        except (click.ClickException, click.Abort, click.exceptions.Exit):
            raise
        except AssayError as error:
            ignore_stop_signals()
            _write_to_stderr(partial(click.echo, printable(f"assay: {error}"), err=True))
            ctx.exit(exit_code_of(error))
        except BaseException as error:  # noqa: BLE001 - otherwise Python exits 1, the code of a failed gate
            ctx.exit(_exit_code(error, ctx))


def run_command() -> int:
    """Returns the exit code of the command that the process was started with; every error has been reported."""
    _open_closed_streams()
    _escape_unknown_characters()
    code = _ended()
    try:
        sys.stdout.flush()
    except (OSError, ValueError) as error:
        ended = _exit_code(error, None)
        code = code or ended
        _discard(sys.stdout)  # otherwise the interpreter flushes again at shutdown and exits 120
    return code


def _open_closed_streams() -> None:
    """Opens the null device in place of closed standard streams, so that no file is opened under their numbers."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            os.open(os.devnull, os.O_RDWR)  # the lowest free number
            setattr(sys, name, os.fdopen(number, "r" if name == "stdin" else "w", encoding="utf-8", closefd=False))


def _escape_unknown_characters() -> None:
    """Makes the output streams escape what their encoding lacks, e.g. in the locale C, or in invalid arguments."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _ended() -> int:
    try:
        # With `standalone_mode=False`, click returns the exit code of the command; commands return no other value.
        return cli.main(standalone_mode=False) or 0
    except click.ClickException as error:
        usage = io.StringIO()
        error.show(usage)
        _write_to_stderr(partial(click.echo, printable(usage.getvalue()), err=True, nl=False))
        return AssayError.exit_code
    except BaseException as error:  # noqa: BLE001 - as above; if the pipe of `--help` is closed, click exits 1
        return _exit_code(error, None)


def _exit_code(error: BaseException, context: click.Context | None) -> int:
    """Returns 0 if the reader closed the pipe early, e.g. `| head`; otherwise reports the error and returns its code."""
    if isinstance(error, click.Abort | KeyboardInterrupt) or received_signal() is not None:
        # After a signal, another exception is a consequence: an import that was cut off, for example.
        return _interrupted(context)
    if isinstance(error, BrokenPipeError | SystemExit) and _has_no_reader(sys.stdout):
        return AssayError.exit_code if _has_no_reader(sys.stderr) else 0
    _write_to_stderr(partial(_report, error, context))
    return ServiceUnreachable.exit_code if is_disk_error(error) else AssayError.exit_code


def _interrupted(context: click.Context | None) -> int:
    """Reports a stop signal, and how to resume if there is a run."""
    ignore_stop_signals()
    hint = f"; {context.meta[CONTINUE]}" if context is not None and CONTINUE in context.meta else ""
    _write_to_stderr(partial(click.echo, printable(f"assay: interrupted{hint}"), err=True))
    return stopped_code()


def _report(error: BaseException, context: click.Context | None) -> None:
    try:
        from assay.cli.crash import report_crash

        report_crash(error, context)
    except Exception:  # noqa: BLE001 - if no file can be opened, importing the module or reading the version fails
        click.echo(f"assay: unexpected {type(error).__name__}; no traceback could be written.", err=True)


def _write_to_stderr(write: Callable[[], None]) -> None:
    """Writes the message; if stderr is closed, only the exit code reports the error."""
    try:
        write()
    except Exception:  # noqa: BLE001 - otherwise Python exits 1 or 120
        _discard(sys.stderr)


def _has_no_reader(stream: TextIO) -> bool:
    """True for a pipe without a reader."""
    watched = select.poll()
    try:
        watched.register(stream.fileno(), 0)
    except (OSError, ValueError):  # closed, or not a file
        return False
    return bool(watched.poll(0))


def _discard(stream: TextIO) -> None:
    """Discards the stream's buffer and all further output."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


OTHERS = 0o077
"""Rights of other users of the machine, which no file that Assay or a process it starts creates has."""
FOR_OTHERS = ("init",)
"""Commands whose files are for everybody who may read the project."""


@click.group(
    cls=AssayGroup,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit codes: docs/reference/exit-codes.md",
)
@click.version_option(package_name="assay")
@click.pass_context
def cli(context: click.Context) -> None:
    """Run LLM batch jobs from your warehouse, and measure with confidence intervals whether predictions are correct."""
    if context.invoked_subcommand not in FOR_OTHERS:
        former = os.umask(OTHERS)
        os.umask(former | OTHERS)
        context.call_on_close(lambda: os.umask(former))


for command in (
    *(stack.up, stack.down, stack.status, stack.demo),
    *(tasks.init, tasks.check),
    *(run.run, adopt.adopt),
    *(evaluate.evaluate, power.power),
    *(review.review, review.labels, calibrate.calibrate),
    *(reading.report, reading.runs, reading.query),
    route.route,
    cache.cache,
    warehouse.warehouse,
):
    cli.add_command(command)
