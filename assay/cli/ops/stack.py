"""Local stack commands: up, down, status, demo."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from assay.cli.opening import STYLES, open_settings

if TYPE_CHECKING:
    from assay.local.stack import PartStatus


@click.command()
def up() -> None:
    """Start the local stack: warehouse emulator, model server, Dagster."""
    from assay.local import stack
    from assay.settings import with_local_token
    from assay.terminal.output import note
    from assay.warehouse.client import Warehouse
    from assay.warehouse.migrate import migrate

    settings = with_local_token(open_settings(writes=True))
    wanted = stack.PARTS if settings.is_local else [part for part in stack.PARTS if part != "warehouse"]
    parts = stack.up(settings, parts=wanted, report=note)
    migrate(Warehouse(settings), report=note)
    _show_parts(parts)


@click.command()
def down() -> None:
    """Stop the local stack; data is kept in .assay/."""
    from assay.local import stack
    from assay.terminal.output import note

    _show_parts(stack.down(open_settings(writes=True), report=note))


@click.command()
@click.option("--format", "style", type=STYLES, default="table", show_default=True)
def status(style: str) -> None:
    """Show the state, address and log file of each service of the local stack."""
    from assay.local import stack

    _show_parts(stack.status(open_settings()), style=style)


@click.command()
def demo() -> None:
    """Run the shipped task end to end on this machine: local stack, Dagster, marts, scorecard."""
    from assay.demo import run_demo

    run_demo(open_settings(writes=True))


def _show_parts(parts: Sequence[PartStatus], *, style: str = "table") -> None:
    from assay.terminal.output import note, write_rows

    columns = ("part", "state", "address", "pid", "log")
    write_rows(
        columns, [(part.name, str(part.state), part.url, part.pid, str(part.log)) for part in parts], style=style
    )
    for page in [part.page for part in parts if part.page]:
        note(f"Open Dagster's page, once: {page}")  # a line of its own, because a table would wrap it
