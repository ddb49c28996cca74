"""The commands. Each reads its options, calls the engine and shows the result; nothing is computed here.

Heavy rooms are imported inside the command that needs them, so that `assay --help` answers at once.
"""

from __future__ import annotations

import os
import sys
from typing import Any

import click

from assay.cli.data import reading, tasks, warehouse
from assay.cli.evals import cache, calibrate, evaluate, power, route
from assay.cli.evals import labels as review
from assay.cli.ops import stack
from assay.cli.runs import run
from assay.errors import AssayError

INTERRUPTED = 130


class AssayGroup(click.Group):
    """Turns what the user must know into one message and the documented exit code."""

    def invoke(self, ctx: click.Context) -> Any:
        """Runs the command; an `AssayError` becomes a line on stderr and its exit code."""
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()  # a reader who left is noticed here, not when the interpreter ends
            return result
        except AssayError as error:
            click.echo(f"assay: {error}", err=True)
            ctx.exit(error.exit_code)
        except KeyboardInterrupt:
            click.echo("assay: interrupted", err=True)
            ctx.exit(INTERRUPTED)
        except BrokenPipeError:  # whoever read the result has enough, e.g. `| head`
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            ctx.exit(0)
        except OSError as error:
            click.echo(f"assay: {error.filename or 'system'}: {error.strerror or error}; see its permissions", err=True)
            ctx.exit(AssayError.exit_code)


def main() -> None:
    """The entry point of `assay`; mistakes in use exit 3."""
    try:
        # Outside its standalone mode click returns the code that a command left with; commands return nothing else.
        sys.exit(cli.main(standalone_mode=False) or 0)
    except click.ClickException as error:
        error.show()
        sys.exit(AssayError.exit_code)
    except (click.Abort, KeyboardInterrupt):
        click.echo("assay: interrupted", err=True)
        sys.exit(INTERRUPTED)


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
