"""The commands. Each reads its options, calls the engine and shows the result; nothing is computed here.

Heavy packages are imported inside the command that needs them, so that `assay --help` responds at once.
"""

from __future__ import annotations

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
from assay.cli.ops import stack
from assay.cli.runs import run
from assay.errors import AssayError

INTERRUPTED = 130


class AssayGroup(click.Group):
    """Turns every error of a command into one message and the documented exit code."""

    def invoke(self, ctx: click.Context) -> Any:
        """Runs the command; an `AssayError` becomes a line on stderr and its exit code, any other error exits 3."""
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()  # a closed pipe is noticed here, not when the interpreter ends
            return result
        except (click.ClickException, click.Abort, click.exceptions.Exit):
            raise
        except AssayError as error:
            _write_to_stderr(partial(click.echo, f"assay: {error}", err=True))
            ctx.exit(error.exit_code)
        except KeyboardInterrupt:
            _write_to_stderr(partial(click.echo, "assay: interrupted", err=True))
            ctx.exit(INTERRUPTED)
        except BaseException as error:  # noqa: BLE001 - Python would exit 1, which means a failed gate
            ctx.exit(_exit_code(error, ctx))


def main() -> None:
    """Entry point of `assay`; usage errors and unexpected errors exit 3."""
    code = _ended()
    try:
        sys.stdout.flush()
    except (OSError, ValueError) as error:
        ended = _exit_code(error, None)
        code = code or ended
        _discard(sys.stdout)  # else the interpreter tries once more as it ends, and exits 120
    sys.exit(code)


def _ended() -> int:
    try:
        # Outside its standalone mode click returns the code that a command exited with; commands return nothing else.
        return cli.main(standalone_mode=False) or 0
    except click.ClickException as error:
        _write_to_stderr(error.show)
        return AssayError.exit_code
    except (click.Abort, KeyboardInterrupt):
        _write_to_stderr(partial(click.echo, "assay: interrupted", err=True))
        return INTERRUPTED
    except BaseException as error:  # noqa: BLE001 - as above; click itself exits 1 on a closed pipe of `--help`
        return _exit_code(error, None)


def _exit_code(error: BaseException, context: click.Context | None) -> int:
    """0 where the reader closed the pipe early, e.g. `| head`; else the code of an error, which was reported."""
    if isinstance(error, BrokenPipeError | SystemExit) and _has_no_reader(sys.stdout):
        return AssayError.exit_code if _has_no_reader(sys.stderr) else 0
    _write_to_stderr(partial(_report, error, context))
    return AssayError.exit_code


def _report(error: BaseException, context: click.Context | None) -> None:
    try:
        from assay.cli.crash import report_crash

        report_crash(error, context)
    except Exception:  # noqa: BLE001 - where no file can be opened, neither can a module or the version be read
        click.echo(f"assay: unexpected {type(error).__name__}; no traceback could be written.", err=True)


def _write_to_stderr(write: Callable[[], None]) -> None:
    """Writes the message; if stderr is closed, the exit code is the only report."""
    try:
        write()
    except Exception:  # noqa: BLE001 - whatever it is, Python would exit 1 or 120
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


@click.group(
    cls=AssayGroup,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit codes: docs/reference/exit-codes.md",
)
@click.version_option(package_name="assay")
def cli() -> None:
    """Run LLM batch jobs from your warehouse, and know with error bars whether the answers are good enough."""


for command in (
    *(stack.up, stack.down, stack.status, stack.demo),
    *(tasks.init, tasks.check),
    run.run,
    *(evaluate.evaluate, power.power),
    *(review.review, review.labels, calibrate.calibrate),
    *(reading.report, reading.query),
    route.route,
    cache.cache,
    warehouse.warehouse,
):
    cli.add_command(command)
