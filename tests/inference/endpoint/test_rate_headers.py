"""What headers say of limits is read in every spelling, and nonsense is nothing."""

from __future__ import annotations

import math
from random import Random

import pytest

from assay.inference.endpoint.rate_headers import RateHeaders, read_rate_headers

FRAGMENTS = (
    *("9" * 400, "1e400", "nan", "inf", "-1", "+9999", "-0000", "+99999999999999999", "٣", "_", " ", "0", "1", "."),
    *("Mon,", "Wed, 21 Oct 2026", "31 Feb", "99999", "99:99:99", "07:28:00", "GMT", "EST", ":", "\x00", "é"),
    *("ms", "h", "6m0s", "s"),
)
NAMES = (
    *("x-ratelimit-limit-requests", "x-ratelimit-remaining-requests", "x-ratelimit-reset-requests"),
    *("x-ratelimit-limit-tokens", "retry-after", "retry-after-ms", "date", "anthropic-ratelimit-requests-limit"),
)


def reset_s(text: str) -> float | None:
    found = read_rate_headers({"x-ratelimit-limit-requests": "1", "x-ratelimit-reset-requests": text})
    assert found is not None
    return found.reset_requests_s


def pause_s(**headers: str) -> float | None:
    found = read_rate_headers({name.replace("_", "-"): value for name, value in headers.items()})
    return found.retry_after_s if found else None


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("120ms", 0.12),
        ("1s", 1.0),
        ("1.5s", 1.5),
        ("59.995", 59.995),
        ("0", 0.0),
        ("6m0s", 360.0),
        ("1m30.951s", 90.951),
        ("7m12s", 432.0),
        ("23h59m59.9s", 86_399.9),
        ("2d1h", 176_400.0),
        ("15µs", 1.5e-5),
        ("1m500ms", 60.5),
    ],
)
def test_a_reset_is_read_in_every_spelling(text: str, seconds: float) -> None:
    assert reset_s(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "s", "ms", "soon", "-1s", "nan", "inf", "1m x", "m1", "9" * 400 + "h", "1e400s"])
def test_a_reset_that_is_no_duration_is_not_known(text: str) -> None:
    assert reset_s(text) is None


@pytest.mark.parametrize("text", ["0", "-1", "", "many", "1.5", "9" * 400, "9" * 5_000])
def test_a_limit_that_is_no_count_is_not_known(text: str) -> None:
    assert read_rate_headers({"x-ratelimit-limit-requests": text}) == RateHeaders()


def test_nothing_left_is_a_number_and_not_unknown() -> None:
    found = read_rate_headers({"x-ratelimit-limit-tokens": "900", "x-ratelimit-remaining-tokens": "0"})

    assert found == RateHeaders(limit_tokens=900, remaining_tokens=0)


def test_what_remains_of_a_limit_that_is_not_stated_is_not_read() -> None:
    found = read_rate_headers({"x-ratelimit-limit-tokens": "900", "x-ratelimit-remaining-requests": "0"})

    assert found == RateHeaders(limit_tokens=900)


def test_anthropics_names_are_read() -> None:
    found = read_rate_headers(
        {
            "anthropic-ratelimit-requests-limit": "50",
            "anthropic-ratelimit-requests-remaining": "49",
            "anthropic-ratelimit-tokens-limit": "10000",
            "anthropic-ratelimit-tokens-remaining": "0",
            "retry-after": "12",
        }
    )

    assert found == RateHeaders(50, 49, None, 10_000, 0, None, 12.0)


def test_headers_without_limits_say_nothing() -> None:
    assert read_rate_headers({"content-type": "application/json", "date": "Wed, 21 Oct 2026 07:28:00 GMT"}) is None


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry_after": "3"}, 3.0),
        ({"retry_after": "0.5"}, 0.5),
        ({"retry_after_ms": "250", "retry_after": "3"}, 0.25),
        ({"retry_after_ms": "soon", "retry_after": "3"}, 3.0),
        ({"retry_after_ms": "-1", "retry_after": "3"}, 3.0),
        ({"retry_after_ms": "nan", "retry_after": "3"}, 3.0),
        ({"retry_after_ms": "nan"}, None),
        ({"retry_after": "-3"}, None),
        ({"retry_after": "inf"}, None),
    ],
)
def test_a_pause_is_read_from_the_finer_header_that_can_be_read(headers: dict[str, str], seconds: float | None) -> None:
    assert pause_s(**headers) == seconds


@pytest.mark.parametrize(
    ("until", "date", "seconds"),
    [
        ("Wed, 21 Oct 2026 07:29:00 GMT", "Wed, 21 Oct 2026 07:28:00 GMT", 60.0),
        ("Wed, 21 Oct 2026 07:29:00 GMT", "Wed, 21 Oct 2026 09:28:00 +0200", 60.0),
        ("Wed, 21 Oct 2026 07:27:00 GMT", "Wed, 21 Oct 2026 07:28:00 GMT", 0.0),
        ("Wed, 21 Oct 2026 07:29:00 -0000", "Wed, 21 Oct 2026 07:28:00 GMT", None),  # one of the two without a zone
        ("Wed, 21 Oct 2026 07:29:00 GMT", "today", None),
        ("31 Feb 99999 07:29:00 GMT", "Wed, 21 Oct 2026 07:28:00 GMT", None),
        ("1 Jan " + "9" * 40 + " 07:29:00 GMT", "Wed, 21 Oct 2026 07:28:00 GMT", None),
    ],
)
def test_a_date_is_measured_from_the_answers_own(until: str, date: str, seconds: float | None) -> None:
    assert pause_s(retry_after=until, date=date) == seconds


def test_a_date_without_the_answers_own_is_not_read() -> None:
    assert pause_s(retry_after="Wed, 21 Oct 2026 07:29:00 GMT") is None


@pytest.mark.parametrize("seed", range(4))
def test_no_nonsense_breaks_the_reading_or_gives_a_number_that_is_none(seed: int) -> None:
    rng = Random(seed)
    for _ in range(2_000):
        nonsense = {name: "".join(rng.choices(FRAGMENTS, k=rng.randint(1, 5))) for name in rng.sample(NAMES, 4)}
        found = read_rate_headers(nonsense) or RateHeaders()
        for number in (found.reset_requests_s, found.retry_after_s, found.limit_requests, found.limit_tokens):
            assert number is None or (number >= 0 and math.isfinite(number)), nonsense
