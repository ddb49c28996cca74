"""Helpers shared by several commands: opening the project, and option types."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

if TYPE_CHECKING:
    from assay.project import Project
    from assay.settings import Settings

DAY = click.DateTime(formats=["%Y-%m-%d"])
STYLES = click.Choice(["table", "json"])
STAGES = click.Choice(["shadow", "beta", "ga"])
CONTINUE = "assay.continue"
"""Key of `click.Context.meta` under which a command stores how to resume its work, for the crash report."""


def write_and_exit(write: Callable[[], None], *, code: int) -> NoReturn:
    """Writes a result and exits with the code of its decision, even if the reader closed the pipe early."""
    with suppress(BrokenPipeError):
        write()
    click.get_current_context().exit(code)


def open_settings(*, writes: bool = False) -> Settings:
    """Returns the settings of this process; a command that `writes` to the project's state needs the right to do so."""
    from assay.settings import load_settings, require_writable_state

    settings = load_settings()
    if writes:
        require_writable_state(settings)
    return settings


def opened_project(*, writes: bool = False) -> Project:
    """Returns the project that contains the working directory; no connection is opened yet."""
    from assay.project import open_project

    return open_project(open_settings(writes=writes))


def seen_from_here(spec: str | None, root: Path) -> str | None:
    """Makes a file path in the working directory absolute; other paths are relative to the project folder."""
    # os.path, because Path raises an error for SQL text that is too long for a file name.
    if spec is None or os.path.isfile(root / spec) or not os.path.isfile(spec):  # noqa: PTH113 - see above
        return spec
    return os.path.abspath(spec)  # noqa: PTH100 - see above
