"""Runs the task's own Python: whatever it raises becomes an error with its line, also `sys.exit` and `KeyboardInterrupt`."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from assay.stop_signals import is_stop


class UserCodeError(Exception):
    """The task's own Python raised `cause`; `line` is the last line of the traceback in that code, or None."""

    def __init__(self, cause: BaseException, line: int | None) -> None:
        super().__init__(f"{type(cause).__name__}: {cause}" if str(cause) else type(cause).__name__)
        self.cause = cause
        self.line = line


@contextmanager
def user_code(path: Path, *, expected: type[Exception] | tuple[()] = ()) -> Iterator[None]:
    """Converts exceptions of the block, which runs Python of the task at `path`, a file or a folder.

    Raises:
        UserCodeError: the code raised an exception that is neither `expected` nor a stop signal.
    """
    try:
        yield
    except expected:
        raise
    except BaseException as error:
        if is_stop(error):
            raise
        raise UserCodeError(error, _line(error, path)) from error


def _line(error: BaseException, path: Path) -> int | None:
    if isinstance(error, SyntaxError) and error.lineno:
        return error.lineno
    places = [(Path(frame.filename), frame.lineno) for frame in traceback.extract_tb(error.__traceback__)]
    own = [line for file, line in places if path in (file, file.parent)]
    return own[-1] if own else None
