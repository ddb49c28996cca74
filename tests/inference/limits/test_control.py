"""How fast a lane may go follows from what is stated, what headers say and what is refused."""

from __future__ import annotations

import pytest

from assay.inference.endpoint.rate_headers import RateHeaders
from assay.inference.limits.control import FIRST_WINDOW, LONGEST_PAUSE_S, Controller
from assay.inference.limits.pacing import PACE, Bucket
from assay.inference.limits.quota import Flight
from assay.inference.providers import LaneLimits

UNKNOWN = LaneLimits(concurrency=64)
TOLD = LaneLimits(rpm=6_000, concurrency=64)


def control(told: LaneLimits = UNKNOWN) -> Controller:
    return Controller(told, now=0.0)


def heard(told: LaneLimits = UNKNOWN, **headers: float) -> Controller:
    """A controller that was answered once, with these headers."""
    made = control(told)
    made.answered(made.quota.take(1, 0.0), RateHeaders(**headers), now=0.1)  # type: ignore[arg-type]
    return made


def refuse(made: Controller, *, sent_at: float, now: float, retry_after_s: float | None = None) -> None:
    made.refused(Flight(sent_at, 0, 0), None, retry_after_s=retry_after_s, now=now)


def rate(bucket: Bucket | None) -> float:
    assert bucket is not None
    return bucket.rate


def test_a_stated_limit_is_paced_just_below_and_opens_all_places() -> None:
    made = control(TOLD)

    assert rate(made.quota.requests) == pytest.approx(100 * PACE)
    assert made.window == 64


def test_nothing_known_starts_small_and_each_answer_opens_places() -> None:
    made = control()
    assert (made.window, made.rpm, made.quota.requests) == (FIRST_WINDOW, None, None)
    for number in range(100):
        made.answered(Flight(0.0, 0, 0), None, now=number / 1000)

    assert made.window == 64


@pytest.mark.parametrize("most", [1, 5])
def test_the_first_places_are_never_more_than_the_provider_is_given(most: int) -> None:
    assert control(LaneLimits(concurrency=most)).window == most


def test_limits_are_learnt_from_headers() -> None:
    made = heard(limit_requests=1_200, limit_tokens=90_000)

    assert (made.rpm, made.tpm, made.rpd) == (1_200, 90_000, None)
    assert rate(made.quota.tokens) == pytest.approx(1_500 * PACE)


@pytest.mark.parametrize(("stated", "learned", "used"), [(600, 1_200, 600), (6_000, 1_200, 1_200)])
def test_the_smaller_of_what_is_stated_and_what_is_learnt_holds(stated: int, learned: int, used: int) -> None:
    assert heard(LaneLimits(rpm=stated), limit_requests=learned).rpm == used


def test_a_limit_that_changes_is_learnt_anew() -> None:
    made = heard(limit_requests=1_200)
    made.answered(Flight(0.0, 1, 1), RateHeaders(limit_requests=600), now=1.0)

    assert made.rpm == 600


def test_a_limit_that_one_answer_leaves_out_is_still_known() -> None:
    made = heard(limit_requests=1_200, limit_tokens=90_000)
    made.answered(Flight(0.0, 1, 1), RateHeaders(limit_requests=1_200), now=1.0)
    made.answered(Flight(0.0, 1, 1), RateHeaders(limit_tokens=90_000), now=1.1)

    assert (made.rpm, made.tpm) == (1_200, 90_000)


def test_a_limit_that_is_reset_much_later_than_in_a_minute_is_one_of_the_day() -> None:
    made = heard(limit_requests=200, remaining_requests=199, reset_requests_s=432.0)

    assert (made.rpm, made.rpd) == (None, 200)
    assert made.quota.day is not None
    assert made.quota.day.level == pytest.approx(199, abs=0.01)


def test_a_minutes_limit_that_proves_to_be_the_days_is_corrected() -> None:
    made = heard(limit_requests=200, remaining_requests=200, reset_requests_s=1.0)
    assert made.rpm == 200
    made.answered(Flight(0.1, 1, 1), RateHeaders(200, 199, 432.0), now=0.2)

    assert (made.rpm, made.rpd) == (None, 200)


def test_what_the_provider_has_left_bounds_what_may_leave() -> None:
    made = heard(TOLD, limit_requests=6_000, remaining_requests=3)

    assert made.quota.requests is not None
    assert made.quota.requests.level <= 3 + 100 * 0.1


def test_headers_give_nothing_beyond_the_own_pace() -> None:
    made = control(TOLD)
    for _ in range(20):
        made.quota.take(1, 0.0)
    before = made.quota.requests.level if made.quota.requests else None
    made.answered(Flight(0.0, 1, 1), RateHeaders(6_000, 6_000, 0.0), now=0.0)

    assert made.quota.requests is not None
    assert made.quota.requests.level == before


def test_one_flight_of_refusals_slows_down_once() -> None:
    made = control(TOLD)
    for number in range(50):
        refuse(made, sent_at=1.0 + number / 1000, now=2.0)

    assert made.factor == pytest.approx(0.9)


def test_a_refusal_of_a_call_that_left_after_the_decrease_slows_down_again() -> None:
    made = control(TOLD)
    refuse(made, sent_at=1.0, now=2.0)
    refuse(made, sent_at=2.5, now=3.0)

    assert made.factor == pytest.approx(0.81)


def test_a_refusal_empties_the_buckets() -> None:
    made = control(TOLD)
    refuse(made, sent_at=0.0, now=1.0)

    assert made.quota.requests is not None
    assert made.quota.requests.level <= 0.0


def test_refusals_never_bring_a_lane_to_a_stop() -> None:
    made = control(TOLD)
    for number in range(1_000):
        refuse(made, sent_at=number + 0.5, now=number + 1.0)

    assert rate(made.quota.requests) > 0


def test_without_any_limit_the_rate_reached_at_a_refusal_becomes_the_limit() -> None:
    made = control()
    for number in range(200):
        made.answered(Flight(0.0, 0, 0), None, now=number / 100)  # 100 a second
    refuse(made, sent_at=1.9, now=2.0)

    assert made.rpm == pytest.approx(0.85 * 100 * 60, rel=0.02)


def test_a_rate_that_was_found_gives_way_to_a_limit_that_is_learnt() -> None:
    made = control()
    refuse(made, sent_at=0.0, now=1.0)
    made.answered(Flight(1.0, 0, 0), RateHeaders(limit_requests=6_000), now=1.5)

    assert made.rpm == 6_000


def test_good_answers_bring_the_full_rate_back_and_no_more() -> None:
    made = control(TOLD)
    refuse(made, sent_at=0.0, now=1.0)
    factors = []
    for number in range(40):
        made.answered(Flight(1.0, 0, 0), None, now=1.0 + number / 2)
        factors.append(made.factor)

    assert factors == sorted(factors)
    assert (factors[0], factors[-1]) == (pytest.approx(0.9), 1.0)


@pytest.mark.parametrize(("asked_s", "paused_s"), [(0.0, 0.0), (30.0, 30.0), (10**9, LONGEST_PAUSE_S)])
def test_a_pause_that_was_asked_for_is_kept_up_to_an_hour(asked_s: float, paused_s: float) -> None:
    made = control(TOLD)
    refuse(made, sent_at=0.0, now=10.0, retry_after_s=asked_s)

    assert made.quota.paused_until == 10.0 + paused_s


def test_a_shorter_pause_does_not_end_a_longer_one() -> None:
    made = control(TOLD)
    refuse(made, sent_at=0.0, now=10.0, retry_after_s=60)
    refuse(made, sent_at=0.0, now=11.0, retry_after_s=1)

    assert made.quota.paused_until == 70.0
