"""Stop signals of the process: SIGINT, SIGTERM and SIGHUP end a command in the same way, with 128 + the signal's number.

A signal raises `StopRequested` in the main thread. It is also remembered, because Python discards an exception that is
raised in a finalizer or in a callback from C; each stage checks for one before it starts.
"""

from __future__ import annotations

import atexit
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import FrameType

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
SHELL_OFFSET = 128
"""A shell reports a command that ended by signal N with the exit code 128 + N."""
AGAIN_AFTER_S = 0.02


class StopRequested(KeyboardInterrupt):
    """The process received a stop signal."""


def _raise() -> None:
    raise StopRequested


def _nothing() -> None:
    return


class _State:
    """The signal that was received first, and what a signal does; `installed` by `handle_stop_signals`.

    No dataclass: its import would take half of the time in which a signal is not handled.
    """

    def __init__(self) -> None:
        self.received: int | None = None
        self.react: Callable[[], object] = _raise
        self.installed = False


_STATE = _State()
"""Of the process, as its signal handlers are."""


def handle_stop_signals() -> None:
    """From now on, a stop signal raises `StopRequested` in the main thread, which calls this function first."""
    _STATE.installed = True
    _forget()
    atexit.register(_ignore_all)  # registered first, so called last: Python restores the default actions after it
    for number in _wanted():
        signal.signal(number, _on_signal)
    signal.signal(signal.SIGALRM, _on_signal)
    sys.unraisablehook = _on_unraisable


def received_signal() -> int | None:
    """The number of the stop signal that the process received first; None if there was none."""
    return _STATE.received


def stopped_code() -> int:
    """The exit code of a command that was stopped by the signal received; 130 if no signal was noted."""
    return SHELL_OFFSET + (_STATE.received or signal.SIGINT)


def is_stop(error: BaseException) -> bool:
    """True if the exception ends the process on a signal. Elsewhere than in a command, Ctrl-C is a `KeyboardInterrupt`."""
    return isinstance(error, StopRequested) or (isinstance(error, KeyboardInterrupt) and not _STATE.installed)


def raise_if_stopped() -> None:
    """Ends a stage before its start if a signal was received.

    Raises:
        StopRequested: a stop signal was received.
    """
    if _STATE.received is not None:
        raise StopRequested


@contextmanager
def on_stop_signal(call: Callable[[], object], *, install: bool = False) -> Iterator[None]:
    """Inside the block, a stop signal calls `call` instead of raising an exception; so does one received earlier.

    Without `install`, this has an effect only in a process that called `handle_stop_signals`: others, such as Dagster
    or a notebook, keep their own handlers. `install` needs the main thread.
    """
    if not _STATE.installed and not install:
        yield
        return
    before = {number: signal.signal(number, _on_signal) for number in _wanted()}
    _STATE.react, reacted = call, _STATE.react
    try:
        if _STATE.received is not None:
            call()
        yield
    finally:
        _STATE.react = reacted
        for number, handler in before.items():
            signal.signal(number, handler)
        if not _STATE.installed:  # the next call starts without a signal
            _forget()


def ignore_stop_signals() -> None:
    """Further stop signals have no effect, for the moment in which the command prints how it ended."""
    _STATE.react = _nothing


def exit_on_stop_signals(code: int) -> None:
    """Further stop signals end the process at once with the exit code of the command, which has been decided."""

    def leave() -> None:
        os._exit(code)

    _STATE.react = leave


def _wanted() -> list[signal.Signals]:
    """Every stop signal; without SIGHUP if the command was started by `nohup`."""
    return [
        number for number in STOP_SIGNALS if number != signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN
    ]


def _on_signal(number: int, _frame: FrameType | None) -> None:
    if number != signal.SIGALRM and _STATE.received is None:
        _STATE.received = number
    _STATE.react()


def _on_unraisable(discarded: sys.UnraisableHookArgs) -> None:
    """Delivers a stop again that was raised where Python discards exceptions."""
    if isinstance(discarded.exc_value, StopRequested):
        signal.setitimer(signal.ITIMER_REAL, AGAIN_AFTER_S)
        return
    sys.__unraisablehook__(discarded)


def _ignore_all() -> None:
    for number in (*_wanted(), signal.SIGALRM):
        signal.signal(number, signal.SIG_IGN)


def _forget() -> None:
    _STATE.received, _STATE.react = None, _raise
