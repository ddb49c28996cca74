"""How far a run is: what is counted, how fast it goes, and how it is worded."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest

from assay.inference.limits.protocol import LaneState
from assay.inference.request import RequestResult
from assay.runs.progress import ProgressSnapshot, RunProgress, duration, lane_lines, run_line, sampling
from tests.fakes.clock import Clock
from tests.inference.telemetry.rows import call, failed_call, prediction

LANE = LaneState(
    limit_rpm=6000,
    limit_tpm=None,
    limit_rpd=None,
    rate_rpm=5940.4,
    in_flight=64,
    concurrency=128,
    waiting=12,
    paused_s=2.2,
)
OK = RequestResult(prediction(), (call(cost_usd=Decimal("0.01")),))


class Run:
    """Progress of a run whose time passes when the test says so."""

    def __init__(self, total: int) -> None:
        self.clock = Clock()
        self.progress = RunProgress(total, clock=self.clock.time)

    def second(self, rows: int, outcome: RequestResult = OK) -> ProgressSnapshot:
        """A second in which so many rows were answered."""
        for _ in range(rows):
            self.progress.answered(outcome)
        self.clock.seconds += 1
        return self.progress.snapshot()


def counted(*outcomes: RequestResult) -> ProgressSnapshot:
    run = Run(10)
    for outcome in outcomes:
        run.progress.answered(outcome)
    return run.progress.snapshot()


def test_answers_calls_and_money_are_counted_each_on_its_own() -> None:
    snapshot = counted(
        OK,
        RequestResult(prediction(answer_source="reused", calls=0)),
        RequestResult(
            prediction(status="failed", error_type="timeout"), (failed_call("timeout", None, cost_usd=None),) * 2
        ),
        RequestResult(
            prediction(status="repaired"), (call(status="invalid_output", error_type="invalid_output"), call())
        ),
        RequestResult(prediction(status="skipped_budget", error_type=None)),
    )
    assert (snapshot.done, snapshot.total, snapshot.reused) == (5, 10, 1)
    assert snapshot.errors == {"timeout": 1, "skipped_budget": 1}
    assert snapshot.failed_calls == {"timeout": 2, "invalid_output": 1}
    assert (snapshot.cost_usd, snapshot.uncosted_calls) == (Decimal("0.01024"), 2)


def test_calls_of_a_request_without_an_answer_cost_money_but_are_no_progress() -> None:
    snapshot = counted(RequestResult(None, (call(cost_usd=Decimal("0.5")),)))
    assert (snapshot.done, snapshot.cost_usd) == (0, Decimal("0.5"))


def test_an_even_pace_is_told_from_the_first_sample_on() -> None:
    run = Run(1000)
    for done in (100, 200, 300):
        snapshot = run.second(100)
        assert snapshot.rows_per_s == pytest.approx(100)
        assert snapshot.left_s == pytest.approx((1000 - done) / 100)


def test_a_run_that_stalls_loses_its_pace_and_its_end_moves_away() -> None:
    run = Run(1000)
    paces = [run.second(100).rows_per_s, *(run.second(0).rows_per_s for _ in range(60))]
    assert paces == sorted(paces, reverse=True)
    assert paces[-1] < 5
    assert (run.progress.snapshot().left_s or 0) > 180


def test_a_run_that_speeds_up_shows_it_within_half_a_minute() -> None:
    run = Run(100_000)
    for _ in range(120):
        run.second(10)
    for _ in range(30):
        snapshot = run.second(100)
    assert 80 < snapshot.rows_per_s < 100


def test_samples_at_the_same_moment_agree() -> None:
    run = Run(100)
    first = run.second(10)
    assert run.progress.snapshot() == first


def test_before_the_first_answer_nobody_knows_the_end() -> None:
    snapshot = Run(10).second(0)
    assert (snapshot.rows_per_s, snapshot.left_s) == (0, None)
    assert run_line(snapshot) == "0 of 10 · 0.0 rows/s · $0.0000"


def test_everything_about_a_run_stands_in_one_line() -> None:
    run = Run(12_000)
    run.progress.watch(lambda: {"openai:m": LANE}, lambda: (Decimal("4.2"), Decimal(5)))
    run.second(999)
    run.progress.answered(RequestResult(prediction(answer_source="reused")))
    run.progress.answered(
        RequestResult(prediction(status="failed", error_type="timeout"), (failed_call("timeout", cost_usd=None),))
    )
    snapshot = run.second(0)
    assert run_line(snapshot).split(" · ") == [
        "1,001 of 12,000",
        f"{snapshot.rows_per_s:.1f} rows/s",
        f"{duration(snapshot.left_s or 0)} left",
        "$9.9900 + 1 calls of unknown cost ($4.2000 of $5.00 spent)",
        "1 reused",
        "no valid prediction: timeout 1",
        "calls failed: timeout 1",
    ]


def test_nobody_says_when_a_run_ends_that_has_come_to_a_stand() -> None:
    run = Run(1000)
    for second in range(1, 600):
        run.second(500 if second == 1 else 0)
    snapshot = run.progress.snapshot()
    assert 0 < snapshot.rows_per_s < 1e-6
    assert snapshot.left_s is None


def test_a_run_that_is_done_has_no_time_left() -> None:
    assert "left" not in run_line(Run(5).second(5))


def test_a_lane_tells_places_rate_limit_queue_and_pause() -> None:
    run = Run(1)
    run.progress.watch(lambda: {"openai:m": LANE}, lambda: (Decimal(0), None))
    assert lane_lines(run.progress.snapshot()) == [
        "openai:m: 64 of 128 in flight · 5,940 of 6,000 calls/min · 12 waiting · paused 3 s"
    ]


def test_a_lane_without_limits_or_waits_says_no_more_than_it_knows() -> None:
    assert lane_lines(with_lanes({"local:m": quiet(3)})) == ["local:m: 3 of 8 in flight · 0 calls/min"]


def test_the_busiest_lanes_come_first_and_eight_are_enough() -> None:
    lines = lane_lines(with_lanes({f"p:m{number}": quiet(number) for number in range(20)}))
    assert [line.partition(": ")[0] for line in lines] == [f"p:m{number}" for number in range(19, 11, -1)]


def quiet(in_flight: int) -> LaneState:
    return LaneState(
        limit_rpm=None,
        limit_tpm=None,
        limit_rpd=None,
        rate_rpm=0,
        in_flight=in_flight,
        concurrency=8,
        waiting=0,
        paused_s=0,
    )


def with_lanes(lanes: Mapping[str, LaneState]) -> ProgressSnapshot:
    run = Run(1)
    run.progress.watch(lambda: lanes, lambda: (Decimal(0), None))
    return run.progress.snapshot()


def test_lanes_that_change_while_they_are_read_are_left_out_of_that_sample() -> None:
    def changing() -> Mapping[str, LaneState]:
        raise RuntimeError("dictionary changed size during iteration")

    run = Run(1)
    run.progress.watch(changing, lambda: (Decimal(0), None))
    assert run.progress.snapshot().lanes == {}


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.2, "1 s"),
        (59, "59 s"),
        (59.5, "1 min 00 s"),
        (185, "3 min 05 s"),
        (7800, "2 h 10 min"),
        (3_600_000, "1,000 h 00 min"),
    ],
)
def test_a_length_of_time_is_told_as_people_do(seconds: float, words: str) -> None:
    assert duration(seconds) == words


def test_samples_are_taken_by_another_thread_and_once_more_at_the_end() -> None:
    taken: list[tuple[int, str]] = []
    seen = threading.Event()

    def show(snapshot: ProgressSnapshot) -> None:
        taken.append((snapshot.done, threading.current_thread().name))
        seen.set()

    progress = RunProgress(3)
    with sampling(progress, show, every_s=0.001):
        assert seen.wait(10)
        progress.answered(OK)
    assert taken[0][1] != threading.current_thread().name
    assert taken[-1] == (1, threading.current_thread().name)


def test_the_last_sample_is_shown_also_when_the_run_breaks_off() -> None:
    shown: list[Any] = []
    with pytest.raises(KeyError), sampling(RunProgress(3), shown.append, every_s=60):
        raise KeyError
    assert [snapshot.done for snapshot in shown] == [0]
