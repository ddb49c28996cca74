"""A rich console whose pipe may be closed by its reader; rich itself would exit with code 1."""

from __future__ import annotations

from rich.console import Console


class PipedConsole(Console):
    """Raises `BrokenPipeError` if the results have no reader; discards progress and messages that have none."""

    def on_broken_pipe(self) -> None:
        """Called by rich while it handles the `BrokenPipeError`."""
        if not self.stderr:
            raise  # the error that rich is handling
        self.quiet = True
