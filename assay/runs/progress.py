"""Progress of a run: counts results as they arrive, and samples them for display.

Counting costs a few additions per row and reads no clock; everything else happens when a snapshot is taken.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal

from assay.inference.limits.protocol import LaneState
from assay.inference.request import RequestResult
from assay.records.statuses import ANSWERED, AnswerSource

PACE_SECONDS = 15.0
"""Time constant of the pace, in seconds: an event this long ago has a weight of 1/e."""
MOST_LANES = 8
MINUTE, HOUR = 60, 3600
LONGEST_S = 100 * 24 * HOUR
"""Longest estimate of the remaining time that is shown; a longer one counts as unknown."""
REUSED = AnswerSource.REUSED


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgressSnapshot:
    """State of a run at one moment.

    `left_s` is None while it is unknown; `spent_usd` is None without a budget, `cap_usd` without a cap.
    """

    done: int
    total: int
    reused: int
    rows_per_s: float
    left_s: float | None
    cost_usd: Decimal
    uncosted_calls: int
    spent_usd: Decimal | None
    cap_usd: Decimal | None
    errors: Mapping[str, int]
    failed_calls: Mapping[str, int]
    lanes: Mapping[str, LaneState]


@dataclass
class Pace:
    """Rows per second as a moving average, which shows a stall or a change of speed within half a minute."""

    now: float
    done: int = 0
    _sum: float = 0.0
    _weight: float = 0.0

    def at(self, done: int, now: float) -> float:
        """Returns the pace at `now`, after `done` rows in total; a second sample at the same time changes nothing."""
        elapsed = now - self.now
        if elapsed > 0:
            fresh = 1 - math.exp(-elapsed / PACE_SECONDS)
            self._sum += fresh * ((done - self.done) / elapsed - self._sum)
            self._weight += fresh * (1 - self._weight)
            self.now, self.done = now, done
        return self._sum / self._weight if self._weight else 0.0


@dataclass
class RunProgress:
    """Counts of a run in progress; written by one thread, read by any."""

    total: int
    clock: Callable[[], float] = time.monotonic
    done: int = 0
    reused: int = 0
    cost_usd: Decimal = Decimal(0)
    uncosted_calls: int = 0
    errors: dict[str, int] = field(default_factory=dict)
    failed_calls: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._pace = Pace(self.clock())
        self._lanes: Callable[[], Mapping[str, LaneState]] = dict
        self._budget: Callable[[], tuple[Decimal, Decimal | None]] | None = None

    def watch(
        self,
        limiter_states: Callable[[], Mapping[str, LaneState]],
        budget: Callable[[], tuple[Decimal, Decimal | None]],
    ) -> None:
        """Adds the limiter's lanes to snapshots, and the amount spent and its cap in USD (None: no cap)."""
        self._lanes, self._budget = limiter_states, budget

    def answered(self, answered: RequestResult) -> None:
        """Counts one more finished request."""
        for response in answered.responses:
            if response.cost_usd is None:
                self.uncosted_calls += 1
            else:
                self.cost_usd += response.cost_usd
            if response.error_type is not None:
                _count(self.failed_calls, response.error_type)
        prediction = answered.prediction
        if prediction is None:
            return
        self.done += 1
        if prediction.answer_source == REUSED:
            self.reused += 1
        if prediction.status not in ANSWERED:
            _count(self.errors, prediction.error_type or prediction.status)

    def snapshot(self) -> ProgressSnapshot:
        """Returns the current state of the run; call it from one thread at a time."""
        done = self.done
        pace = self._pace.at(done, self.clock())
        spent, cap = self._budget() if self._budget is not None else (None, None)
        return ProgressSnapshot(
            done=done,
            total=self.total,
            reused=self.reused,
            rows_per_s=pace,
            left_s=_left_s(self.total - done, pace),
            cost_usd=self.cost_usd,
            uncosted_calls=self.uncosted_calls,
            spent_usd=spent,
            cap_usd=cap,
            errors=self.errors.copy(),
            failed_calls=self.failed_calls.copy(),
            lanes=self._lanes_now(),
        )

    def _lanes_now(self) -> Mapping[str, LaneState]:
        try:
            return dict(self._lanes())
        except RuntimeError:  # another thread added a lane during the read: the next sample includes it
            return {}


@contextmanager
def sampling(progress: RunProgress, show: Callable[[ProgressSnapshot], None], *, every_s: float) -> Iterator[None]:
    """Calls `show` every `every_s` seconds from a separate thread, and once more at the end of the block."""
    ended = threading.Event()

    def sample() -> None:
        while not ended.wait(every_s):
            show(progress.snapshot())

    thread = threading.Thread(target=sample, name="assay-progress", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        show(progress.snapshot())


def run_line(snapshot: ProgressSnapshot) -> str:
    """Formats the state of the run, except its lanes, in one line."""
    left = "" if snapshot.left_s is None or snapshot.done >= snapshot.total else f"{duration(snapshot.left_s)} left"
    parts = [
        f"{snapshot.done:,} of {snapshot.total:,}",
        f"{snapshot.rows_per_s:,.1f} rows/s",
        left,
        _money(snapshot),
        f"{snapshot.reused:,} reused" if snapshot.reused else "",
        _counted("no valid prediction", snapshot.errors),
        _counted("calls failed", snapshot.failed_calls),
    ]
    return " · ".join(part for part in parts if part)


def lane_lines(snapshot: ProgressSnapshot) -> list[str]:
    """Formats one line per lane in use, busiest first, at most eight."""
    busiest = sorted(snapshot.lanes.items(), key=lambda item: (-item[1].in_flight, item[0]))
    return [f"{lane}: {_lane(state)}" for lane, state in busiest[:MOST_LANES]]


def _left_s(rows: int, rows_per_s: float) -> float | None:
    return rows / rows_per_s if rows_per_s * LONGEST_S > rows else None


def duration(seconds: float) -> str:
    """Formats a duration: `42 s`, `3 min 05 s`, `2 h 10 min`."""
    whole = math.ceil(seconds)
    if whole < MINUTE:
        return f"{whole} s"
    if whole < HOUR:
        return f"{whole // MINUTE} min {whole % MINUTE:02} s"
    return f"{whole // HOUR:,} h {whole % HOUR // MINUTE:02} min"


def _lane(state: LaneState) -> str:
    limit = f" of {state.limit_rpm:,.0f}" if state.limit_rpm is not None else ""
    parts = [
        f"{state.in_flight} of {state.concurrency} in flight",
        f"{state.rate_rpm:,.0f}{limit} calls/min",
        f"{state.waiting} waiting" if state.waiting else "",
        f"paused {duration(state.paused_s)}" if state.paused_s > 0 else "",
    ]
    return " · ".join(part for part in parts if part)


def _money(snapshot: ProgressSnapshot) -> str:
    text = f"${snapshot.cost_usd:.4f}"
    if snapshot.uncosted_calls:
        text += f" + {snapshot.uncosted_calls:,} calls of unknown cost"
    if snapshot.cap_usd is not None and snapshot.spent_usd is not None:
        text += f" (${snapshot.spent_usd:.4f} of ${snapshot.cap_usd:.2f} spent)"
    return text


def _counted(what: str, counts: Mapping[str, int]) -> str:
    return f"{what}: " + ", ".join(f"{kind} {count:,}" for kind, count in sorted(counts.items())) if counts else ""


def _count(counts: dict[str, int], kind: str) -> None:
    counts[kind] = counts.get(kind, 0) + 1
