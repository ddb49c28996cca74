"""A circuit opens after failures of the endpoint in a row, lets one call try it, and closes with an answer."""

from __future__ import annotations

import pytest

from assay.inference.endpoint.circuit import FIRST_PAUSE_S, LONGEST_PAUSE_S, Circuits
from assay.inference.endpoint.failures import CallFailure, FailureKind
from assay.inference.endpoint.replies import Reply
from tests.fakes.clock import Clock
from tests.runs.requests.test_answer_buffer import Heard

REPLY = Reply("{}", "stop", None, None, None, None, None)
DOWN = CallFailure(FailureKind.SERVER, "HTTP 503", http_status=503)
ENDPOINTS_FAULTS = {FailureKind.CONNECT, FailureKind.SERVER, FailureKind.TIMEOUT}


def circuits(clock: Clock, *, events: Heard | None = None) -> Circuits:
    return Circuits(clock=clock.time, failures_in_a_row=3, events=events)


def opened(clock: Clock, *, events: Heard | None = None) -> Circuits:
    made = circuits(clock, events=events)
    for _ in range(3):
        made.note("a", DOWN)
    return made


def test_a_route_that_nothing_is_known_of_is_open_to_calls() -> None:
    assert circuits(Clock()).wait_s("a") == 0.0


@pytest.mark.parametrize(("failures", "wait_s"), [(2, 0.0), (3, FIRST_PAUSE_S)])
def test_calls_are_kept_away_after_so_many_failures_in_a_row(failures: int, wait_s: float) -> None:
    made = circuits(Clock())
    for _ in range(failures):
        made.note("a", DOWN)

    assert made.wait_s("a") == wait_s


def test_an_answer_in_between_begins_the_count_anew() -> None:
    made = circuits(Clock())
    for outcome in (DOWN, DOWN, REPLY, DOWN, DOWN):
        made.note("a", outcome)

    assert made.wait_s("a") == 0.0


@pytest.mark.parametrize("kind", FailureKind)
def test_only_faults_of_the_endpoint_count(kind: FailureKind) -> None:
    made = circuits(Clock())
    for _ in range(10):
        made.note("a", CallFailure(kind, "no"))

    assert (made.wait_s("a") > 0.0) == (kind in ENDPOINTS_FAULTS)


def test_other_routes_are_not_kept_away() -> None:
    assert opened(Clock()).wait_s("b") == 0.0


def test_after_the_pause_one_call_tries_it_and_the_others_wait() -> None:
    clock = Clock()
    made = opened(clock)
    clock.seconds = FIRST_PAUSE_S

    assert [made.wait_s("a") for _ in range(3)] == [0.0, FIRST_PAUSE_S, FIRST_PAUSE_S]


def test_an_answer_to_the_try_closes_it() -> None:
    clock = Clock()
    made = opened(clock)
    clock.seconds = FIRST_PAUSE_S
    made.wait_s("a")
    made.note("a", REPLY)

    assert [made.wait_s("a") for _ in range(3)] == [0.0, 0.0, 0.0]


def test_a_refusal_of_the_request_shows_that_the_endpoint_is_there() -> None:
    clock = Clock()
    made = opened(clock)
    clock.seconds = FIRST_PAUSE_S
    made.wait_s("a")
    made.note("a", CallFailure(FailureKind.RATE_LIMITED, "HTTP 429", http_status=429))

    assert made.wait_s("a") == 0.0


def test_each_try_that_fails_doubles_the_pause_up_to_a_minute() -> None:
    clock, pauses = Clock(), list[float]()
    made = opened(clock)
    for _ in range(8):
        pauses.append(made.wait_s("a"))
        clock.seconds += pauses[-1]
        assert made.wait_s("a") == 0.0
        made.note("a", DOWN)

    assert pauses == [2, 4, 8, 16, 32, LONGEST_PAUSE_S, LONGEST_PAUSE_S, LONGEST_PAUSE_S]


def test_failures_of_calls_that_were_under_way_do_not_lengthen_the_pause() -> None:
    clock = Clock()
    made = opened(clock)
    clock.seconds = 1.0
    for _ in range(50):
        made.note("a", DOWN)

    assert made.wait_s("a") == FIRST_PAUSE_S - 1.0


def test_a_try_whose_outcome_never_comes_is_followed_by_another() -> None:
    clock = Clock()
    made = opened(clock)
    clock.seconds = FIRST_PAUSE_S
    assert made.wait_s("a") == 0.0
    clock.seconds = 2 * FIRST_PAUSE_S

    assert made.wait_s("a") == 0.0


def test_opening_and_closing_are_told_once_each() -> None:
    clock, heard = Clock(), Heard()
    made = opened(clock, events=heard)
    made.note("a", DOWN)
    clock.seconds = 5.0
    made.wait_s("a")
    made.note("a", REPLY)
    made.note("a", REPLY)

    assert heard.events == [
        ("circuit_opened", {"route": "a", "failures": 3, "open_s": FIRST_PAUSE_S}),
        ("circuit_closed", {"route": "a", "open_s": 5.0}),
    ]


def test_records_that_fail_again_and_again_do_not_open_it() -> None:
    made = circuits(Clock())
    for _ in range(10):
        made.note("a", DOWN, is_first=False)

    assert made.wait_s("a") == 0.0


def test_the_call_that_tries_it_again_counts_whichever_it_is() -> None:
    clock = Clock()
    made = opened(clock)
    clock.seconds += FIRST_PAUSE_S
    assert made.wait_s("a") == 0.0
    made.note("a", DOWN, is_first=False)

    assert made.wait_s("a") == 2 * FIRST_PAUSE_S
