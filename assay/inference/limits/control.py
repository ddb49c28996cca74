"""Adapts the rate of a lane to stated limits, response headers and rate-limit errors (HTTP 429).

If a limit is stated or learned from headers, calls are paced slightly below it, and slower if the provider reports less
remaining quota. Without a limit, the number of calls in flight grows exponentially (slow start) until a 429; the
rate reached then is the first estimate of the limit. The estimate decreases by a factor on each later 429 and
increases slightly every second. Busy providers also return a 429 occasionally, whatever the rate: as long as
the share of 429s is small, a lane is not slowed below `LEAST`, and an estimate that would fall far below the
previous one is raised instead. Other failures change nothing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from assay.inference.endpoint.rate_headers import RateHeaders
from assay.inference.limits.pacing import DAY_S, MINUTE_S, PACE, Bucket, RateMeter, burst
from assay.inference.limits.quota import Flight, Quota
from assay.inference.providers import LaneLimits

FIRST_WINDOW = 16
"""Maximum number of calls in flight at first, before any limit is known; within the burst limit of any provider."""
FIRST_S = 2.0
"""Seconds after the start of a lane in which its rate is also estimated from the calls sent."""
WIDEN = 3
"""Calls in flight added per successful response in slow start: a factor of four per round trip."""
DECREASE = 0.9
FIRST_DECREASE = 0.85
FEW = 0.1
"""Share of refused calls below which a lane is not slowed further; above it, the estimated limit is too high."""
SHARE_KEPT = 0.98
"""Weight of the previous value when the share of refused calls is updated: an average over about 50 calls."""
LEAST = 0.7
RAISED = 1.1
RECOVER_PER_S = 0.02
RECOVER_EVERY_S = 0.25
LOWEST_FACTOR = 0.05
LOWEST_RPS = 0.1
MINUTE_WINDOW_S = 90.0
"""A header with a longer reset time reports a daily limit; some providers use the same header for both."""
LONGEST_PAUSE_S = 3600.0
KEPT_AT_PROVIDER_S = 0.1
"""Quota left unused at the provider, in seconds of the rate, as a reserve for calls that arrive out of order."""


@dataclass(slots=True)
class Observed429s:
    """What this worker has observed since its last report to the other workers.

    The values `…_at_provider` are the remaining quota in the provider's own buckets.
    """

    refused_sent_at: float | None = None
    paused_until: float | None = None
    requests_at_provider: float | None = None
    tokens_at_provider: float | None = None
    day_at_provider: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedLimits:
    """Limits of a lane for all workers together, and this worker's share of them.

    Limits are per second (`rpd` per day) and None if unknown; `found` is True if 429s determined the rate.
    """

    share: float
    factor: float
    found: bool
    requests_per_s: float | None
    tokens_per_s: float | None
    rpd: float | None
    day_level: float | None


class Controller:
    """Sets the quota buckets of one lane and its maximum number of calls in flight.

    `share` is this worker's share of every limit. If `leased` is True, the buckets are filled by leases (`shared.py`)
    instead of by time.
    """

    __slots__ = (
        "_began",
        "_ceiling_rps",
        "_common",
        "_daily",
        "_decreased_at",
        "_learnt_rpd",
        "_learnt_rpm",
        "_learnt_tpm",
        "_most",
        "_recovered_at",
        "_seen",
        "factor",
        "found_rps",
        "leased",
        "meter",
        "noticed",
        "quota",
        "refused_share",
        "share",
        "stated",
        "window",
    )

    def __init__(self, stated: LaneLimits, *, now: float, leased: bool = False) -> None:
        self.stated = stated
        self.quota = Quota()
        self.meter = RateMeter(now)
        self._began = now
        self.factor = 1.0
        self.share = 1.0
        self.leased = leased
        self.noticed = Observed429s()
        self.found_rps: float | None = None
        self.refused_share = 0.0
        self._ceiling_rps = 0.0
        self._common: SharedLimits | None = None
        self._learnt_rpm: int | None = None
        self._learnt_tpm: int | None = None
        self._learnt_rpd: int | None = None
        self._seen: tuple[int | None, int | None] = (None, None)
        self._daily = False
        self._decreased_at = -1.0
        self._recovered_at = now
        self._most = stated.concurrency
        self.window = min(FIRST_WINDOW, stated.concurrency)
        self._apply(now)

    @property
    def rpm(self) -> float | None:
        """Requests per minute of the lane for all workers together; None while unknown."""
        if self.found_rps is not None:
            return self.found_rps * MINUTE_S
        shared = self._common.requests_per_s if self._common else None
        return _least(self.own_rpm, None if shared is None else shared * MINUTE_S)

    @property
    def tpm(self) -> float | None:
        """Tokens per minute of the lane for all workers together; None while unknown."""
        shared = self._common.tokens_per_s if self._common else None
        return _least(self.own_tpm, None if shared is None else shared * MINUTE_S)

    @property
    def rpd(self) -> float | None:
        """Requests per day of the lane for all workers together; None while unknown."""
        return _least(self.own_rpd, self._common.rpd if self._common else None)

    @property
    def own_rpm(self) -> float | None:
        """Requests per minute, as stated or as learned by this worker."""
        return _least(self.stated.rpm, self._learnt_rpm)

    @property
    def own_tpm(self) -> float | None:
        """Tokens per minute, as stated or as learned by this worker."""
        return _least(self.stated.tpm, self._learnt_tpm)

    @property
    def own_rpd(self) -> float | None:
        """Requests per day, as stated or as learned by this worker."""
        return _least(self.stated.rpd, self._learnt_rpd)

    @property
    def day_level(self) -> float | None:
        """Requests that remain today for all workers together, as of the latest lease."""
        return self._common.day_level if self._common else None

    @property
    def knows_a_rate(self) -> bool:
        """True if a limit per minute is stated or was learned."""
        return self.rpm is not None or self.tpm is not None

    def reached_rps(self, now: float) -> float:
        """Current calls per second, measured from recent responses, and in the first seconds also from the calls sent."""
        at_first = self.quota.sent_requests / FIRST_S if now - self._began < FIRST_S else 0.0
        return max(self.meter.per_second(now), at_first)

    def answered(self, flight: Flight, headers: RateHeaders | None, *, now: float) -> None:
        """Records a call to which the provider responded."""
        self.meter.count(now)
        self.refused_share *= SHARE_KEPT
        if headers is not None:
            self._read(flight, headers, now)
        if self.window < self._most:
            self.window = min(self._most, self.window + WIDEN)
        if self._may_recover() and now - self._recovered_at >= RECOVER_EVERY_S:
            self._recover(now)

    def refused(self, flight: Flight, headers: RateHeaders | None, *, retry_after_s: float | None, now: float) -> None:
        """Records a 429; a 429 for a call sent before the last decrease does not decrease the rate again."""
        self.refused_share = 1.0 - (1.0 - self.refused_share) * SHARE_KEPT
        if headers is not None:
            self._read(flight, headers, now)
        if retry_after_s is not None:
            self.quota.paused_until = max(self.quota.paused_until, now + min(retry_after_s, LONGEST_PAUSE_S))
            self.noticed.paused_until = self.quota.paused_until
        if flight.sent_at >= self._decreased_at:
            self._decreased_at = now
            self.noticed.refused_sent_at = flight.sent_at
            self._decrease(now)

    def follow(self, common: SharedLimits, *, now: float) -> None:
        """Adopts the limits and the factor that all workers share; from then on, quota is added only by leases."""
        if self.leased and common == self._common:
            return
        self._common = common
        self.leased = True
        self.share = common.share
        self.factor = common.factor
        self.found_rps = common.requests_per_s if common.found else None
        self._apply(now)

    def stand_alone(self, *, now: float) -> None:
        """Continues without leases, with this worker's last share of the limits and buckets that fill over time."""
        if self.leased:
            self.leased = False
            self._apply(now)

    def _read(self, flight: Flight, headers: RateHeaders, now: float) -> None:
        reset_s = headers.reset_requests_s
        if (headers.limit_requests, headers.limit_tokens) != self._seen or (
            not self._daily and reset_s is not None and reset_s > MINUTE_WINDOW_S
        ):
            self._learn(headers, now)
        if headers.remaining_requests is not None and headers.limit_requests is not None:
            self._trim_requests(flight, headers.remaining_requests, headers, now)
        if headers.remaining_tokens is not None and headers.limit_tokens is not None:
            self._trim_tokens(flight, headers.remaining_tokens, headers, now)

    def _learn(self, headers: RateHeaders, now: float) -> None:
        if headers.limit_requests is None and headers.limit_tokens is None:
            return
        self._seen = (headers.limit_requests, headers.limit_tokens)
        self._daily = self._daily or (headers.reset_requests_s or 0.0) > MINUTE_WINDOW_S
        if headers.limit_requests is not None:  # a response may omit headers that an earlier one contained
            self._learnt_rpm = None if self._daily else headers.limit_requests
            self._learnt_rpd = headers.limit_requests if self._daily else None
        if headers.limit_tokens is not None:
            self._learnt_tpm = headers.limit_tokens
        if self._learnt_rpm is not None:
            self.found_rps = None
            self.factor = min(self.factor, 1.0)
        self._apply(now)

    def _trim_requests(self, flight: Flight, remaining: int, headers: RateHeaders, now: float) -> None:
        limit = headers.limit_requests or 0
        rate = limit * self.share / (DAY_S if self._daily else MINUTE_S)
        level = self.quota.at_provider(flight, remaining=remaining, rate=rate, now=now)
        if self._daily:
            self.noticed.day_at_provider = level
            _bound(self.quota.day, level, lowest=0.0, now=now)
            return
        level -= _reserve(rate, remaining=remaining, reset_s=headers.reset_requests_s)
        self.noticed.requests_at_provider = level
        _bound(self.quota.requests, level, lowest=0.0 if self.leased else -rate, now=now)

    def _trim_tokens(self, flight: Flight, remaining: int, headers: RateHeaders, now: float) -> None:
        rate = (headers.limit_tokens or 0) * self.share / MINUTE_S
        level = self.quota.tokens_at_provider(flight, remaining=remaining, rate=rate, now=now)
        level -= _reserve(rate, remaining=remaining, reset_s=headers.reset_tokens_s)
        self.noticed.tokens_at_provider = level
        _bound(self.quota.tokens, level, lowest=0.0 if self.leased else -rate, now=now)

    def _decrease(self, now: float) -> None:
        if self.leased:
            pass  # `lease.lua` decides for all workers together
        elif self.knows_a_rate and self.found_rps is None:
            least = LEAST if self.refused_share < FEW else LOWEST_FACTOR
            self.factor = min(self.factor, max(least, self.factor * DECREASE))
        elif self.found_rps is None:
            self._ceiling_rps = self.reached_rps(now)
            self.found_rps = max(LOWEST_RPS, self._ceiling_rps * FIRST_DECREASE)
        else:
            self.found_rps = self._slowed(self.found_rps)
        self._recovered_at = now
        self._apply(now)
        for bucket in (self.quota.requests, self.quota.tokens):
            _bound(bucket, 0.0, lowest=0.0, now=now)

    def _slowed(self, found_rps: float) -> float:
        """The rate after another 429; `lease.lua` computes it in the same way for all workers together."""
        slower = found_rps * FIRST_DECREASE
        if self.refused_share >= FEW:
            self._ceiling_rps = found_rps
            return max(LOWEST_RPS, slower)
        self._ceiling_rps = max(self._ceiling_rps, found_rps)
        if slower >= LEAST * self._ceiling_rps:
            return max(LOWEST_RPS, slower)
        self._ceiling_rps *= RAISED
        return max(found_rps, LEAST * self._ceiling_rps)

    def _may_recover(self) -> bool:
        return not self.leased and (self.factor < 1.0 or self.found_rps is not None)

    def _recover(self, now: float) -> None:
        gain = RECOVER_PER_S * (now - self._recovered_at)
        self._recovered_at = now
        if self.found_rps is not None:
            self.found_rps *= 1.0 + gain
        else:
            self.factor = min(1.0, self.factor + gain)
        self._apply(now)

    def _apply(self, now: float) -> None:
        """Sets the rates of the buckets according to the limits, the factor and the share."""
        quota, usable = self.quota, PACE * self.factor * self.share / MINUTE_S
        leased_by_day = self.rpd if self.leased else None
        quota.requests = self._bucket(quota.requests, self.rpm or leased_by_day, usable, now)
        quota.tokens = self._bucket(quota.tokens, self.tpm, usable, now)
        quota.day = None if self.leased else self._day(now)
        if self.knows_a_rate:
            self.window = self._most

    def _day(self, now: float) -> Bucket | None:
        if self.rpd is None:
            return None
        allowed = self.rpd * self.share
        left = allowed if self.day_level is None else min(allowed, self.day_level * self.share)
        return self.quota.day or Bucket(allowed / DAY_S, capacity=allowed, level=left, now=now)

    def _bucket(self, bucket: Bucket | None, limit: float | None, usable: float, now: float) -> Bucket | None:
        if limit is None:
            return None
        rate = 0.0 if self.leased else limit * usable
        most = math.inf if self.leased else burst(rate)
        if bucket is None:
            return Bucket(rate, capacity=most, level=0.0 if self.leased else most, now=now)
        bucket.refill_at(rate, capacity=most, now=now)
        return bucket


def _least(*limits: float | None) -> float | None:
    return min((limit for limit in limits if limit is not None), default=None)


def _reserve(rate: float, *, remaining: int, reset_s: float | None) -> float:
    """Quota to leave unused at the provider: a tenth of a second's worth; 0 if its bucket is no larger than Assay's."""
    if reset_s is None:
        return 0.0
    return min(rate, max(0.0, remaining + reset_s * rate - burst(rate))) * KEPT_AT_PROVIDER_S


def _bound(bucket: Bucket | None, level: float, *, lowest: float, now: float) -> None:
    if bucket is not None:
        bucket.wait_s(0.0, now)
        bucket.bound(max(level, lowest))
