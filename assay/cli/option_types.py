"""Types of option values; each refuses what no command can use, before any work starts."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any

import click

from assay.bounds import LEAST_INTEGER, MOST_EPOCHS, MOST_INTEGER
from assay.errors import UsageError

SHOWN_CHARACTERS = 40
EFFECTIVE = os.access in os.supports_effective_ids


class BoundedInteger(click.IntRange):
    """An integer in the range, which is never wider than 64 bits."""

    def __init__(self, least: int = LEAST_INTEGER, most: int = MOST_INTEGER) -> None:
        super().__init__(least, most)

    def _describe_range(self) -> str:
        """Omits the bounds of the type itself."""
        bounds = [
            *([f">={self.min}"] if self.min != LEAST_INTEGER else []),
            *([f"<={self.max}"] if self.max != MOST_INTEGER else []),
        ]
        return f"x{' and x'.join(bounds)}" if bounds else ""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Returns the integer; a text of thousands of digits is not repeated in the message."""
        if isinstance(value, str) and len(value) > SHOWN_CHARACTERS:
            self.fail(f"{value[:SHOWN_CHARACTERS]}… is not a valid integer.", param, ctx)
        return super().convert(value, param, ctx)


class FiniteNumber(click.FloatRange):
    """A number in the range; `nan` and `inf`, which satisfy every comparison or none, are refused."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Returns the number."""
        found = super().convert(value, param, ctx)
        if not math.isfinite(found):
            self.fail(f"{value} is not a finite number.", param, ctx)
        return found


class OutputFile(click.Path):
    """A file to write: its folder exists and is writable, as far as this is known before there is anything to write."""

    def __init__(self) -> None:
        super().__init__(dir_okay=False, path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Returns the path.

        Raises:
            UsageError: its folder does not exist or is not writable, or the path is a folder.
        """
        path = Path(value)
        name = param.opts[0] if isinstance(param, click.Option) else "FILE"
        if not _is_writable(path):
            raise UsageError(
                f"{name} {str(path)!r}: expected a file in an existing, writable folder",
                next_step="choose another path.",
            )
        return path


INTEGER = BoundedInteger()
OUTPUT_FILE = OutputFile()
epochs_option = click.option(
    "--epochs",
    type=INTEGER,
    default=1,
    show_default=True,
    help=f"Number of predictions per record, at most {MOST_EPOCHS}.",
)


def _is_writable(path: Path) -> bool:
    try:
        if path.is_dir() or not path.name or not path.parent.is_dir():
            return False
        if path.exists() and not path.is_file():  # /dev/stdout
            return os.access(path, os.W_OK, effective_ids=EFFECTIVE)
        return os.access(path.parent, os.W_OK | os.X_OK, effective_ids=EFFECTIVE)
    except (OSError, ValueError):  # a name that is too long, or with a null character
        return False
