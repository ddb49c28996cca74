"""The command-line interface. Each command parses its options, calls the engine and prints the result.

Heavy packages are imported inside the commands that need them, so that `assay --help` responds immediately.
"""

from __future__ import annotations

import sys

from assay.stop_signals import (
    exit_on_stop_signals,
    handle_stop_signals,
    ignore_stop_signals,
    stopped_code,
)


def main() -> None:
    """Entry point of `assay`; usage errors and unexpected errors exit 3. Stop signals are handled before the imports."""
    handle_stop_signals()
    try:
        code = _ended()
    except KeyboardInterrupt:  # one more signal arrived while the first was handled
        ignore_stop_signals()
        code = stopped_code()
    exit_on_stop_signals(code)
    sys.exit(code)


def _ended() -> int:
    try:
        from assay.cli.application import run_command
    except KeyboardInterrupt:
        ignore_stop_signals()
        sys.stderr.write("assay: interrupted\n")
        return stopped_code()
    return run_command()
