"""Rate limiter for workers that share one Redis: each leases quota for a short time, so that all stay within one limit.

While Redis is unavailable, a worker continues with its last share of the limits. `lease.lua` divides the quota among
the workers; its requests and responses are in `leases.py`.
"""

from __future__ import annotations

import asyncio
import logging
import math
import secrets
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Protocol

from assay.inference.cancelling import cancel_and_wait
from assay.inference.limits.control import Controller, Observed429s, SharedLimits
from assay.inference.limits.lane import Lane
from assay.inference.limits.leases import Amounts, KnownLimits, LeaseRequest, LimitLease, RedisLeases, RedisUnavailable
from assay.inference.limits.pacing import MINUTE_S
from assay.inference.limits.protocol import LaneState
from assay.inference.providers import LaneLimits

if TYPE_CHECKING:
    from assay.inference.endpoint.failures import CallFailure
    from assay.inference.endpoint.replies import Reply

SLICE_S = 0.1
"""Seconds between two leases; short, so that a stopped worker holds little quota and bursts stay small."""
STOCK_S = 2 * SLICE_S
IDLE_S = 1.0
RETRY_S = 1.0
LOG = logging.getLogger(__name__)


class Leases(Protocol):
    """Source of leases."""

    async def request(self, lane: str, request: LeaseRequest) -> LimitLease:
        """Requests the lease and returns it, or raises `RedisUnavailable`."""
        ...

    async def close(self) -> None:
        """Closes the connection."""
        ...


class SharedLimiter:
    """See `Limiter`; must be used in one event loop.

    The limits are divided equally among runs (`run_id`), and a run's share equally among its workers.
    """

    def __init__(
        self,
        stated: Callable[[str], LaneLimits],
        leases: Leases,
        *,
        run_id: str,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._stated = stated
        self._leases = leases
        self._run = run_id
        self._worker = f"{run_id}/{secrets.token_hex(6)}"
        self._clock = clock
        self._lanes: dict[str, Lane] = {}
        self._busy: set[str] = set()
        self._is_alone = False
        self._woken = asyncio.Event()
        self._leasing: asyncio.Task[None] | None = None

    @classmethod
    def through(cls, url: str, stated: Callable[[str], LaneLimits], *, run_id: str) -> SharedLimiter:
        """A limiter that shares its limits with all other limiters on the same Redis."""
        return cls(stated, RedisLeases(url), run_id=run_id)

    async def acquire(self, lane: str, tokens: int) -> float:
        """See `Limiter.acquire`."""
        place = self._lanes.get(lane) or self._open(lane)
        if lane not in self._busy:
            self._busy.add(lane)
            self._woken.set()
        return 0.0 if place.enter(tokens) else await place.wait(tokens)

    def release(self, lane: str, *, held_tokens: int, used_tokens: int | None, outcome: Reply | CallFailure) -> None:
        """See `Limiter.release`."""
        self._lanes[lane].leave(held_tokens=held_tokens, used_tokens=used_tokens, outcome=outcome)

    def states(self) -> Mapping[str, LaneState]:
        """See `Limiter.states`."""
        now = self._clock()
        return {name: lane.state(now) for name, lane in self._lanes.items()}

    async def close(self) -> None:
        """See `Limiter.close`."""
        await cancel_and_wait(self._leasing)  # `_ended` handles its errors
        for name, lane in self._lanes.items():
            lane.stop()
            if not self._is_alone:
                with suppress(RedisUnavailable):
                    await self._leases.request(name, self._question(lane, wants=False, leaving=True))
        await self._leases.close()

    def _open(self, name: str) -> Lane:
        now = self._clock()
        control = Controller(self._stated(name), now=now, leased=not self._is_alone)
        lane = self._lanes[name] = Lane(control, clock=self._clock)
        if self._leasing is None:
            self._leasing = asyncio.create_task(self._keep_leasing())
            self._leasing.add_done_callback(self._ended)
        return lane

    async def _keep_leasing(self) -> None:
        while True:
            if not self._busy:
                await self._woken.wait()
            self._woken.clear()
            for name in tuple(self._busy):
                await self._lease(name, self._lanes[name])
            with suppress(TimeoutError):
                async with asyncio.timeout(RETRY_S if self._is_alone else SLICE_S):
                    await self._woken.wait()

    async def _lease(self, name: str, lane: Lane) -> None:
        wants = lane.next_tokens() is not None or self._clock() - lane.used_at < IDLE_S
        request = self._question(lane, wants=wants, leaving=False)
        lane.control.noticed = Observed429s()
        try:
            lease = await self._leases.request(name, request)
        except RedisUnavailable as error:
            self._use_own_share(error)
            return
        self._return()
        self._take(lane, request, lease)
        if not wants and lane.next_tokens() is None:
            self._busy.discard(name)

    def _question(self, lane: Lane, *, wants: bool, leaving: bool) -> LeaseRequest:
        now, control = self._clock(), lane.control
        noticed = control.noticed
        held = Amounts() if self._is_alone else _held(control)
        want, need = _wanted(lane) if wants else (Amounts(), Amounts())
        refused, paused = noticed.refused_sent_at, noticed.paused_until
        return LeaseRequest(
            worker=self._worker,
            run=self._run,
            wants=wants,
            want=want,
            need=need,
            back=Amounts() if wants else held,
            limits=KnownLimits(
                requests=_per_second(control.own_rpm), tokens=_per_second(control.own_tpm), day=control.own_rpd
            ),
            at_provider=KnownLimits(
                requests=noticed.requests_at_provider,
                tokens=noticed.tokens_at_provider,
                day=noticed.day_at_provider,
            ),
            day_level=control.day_level,
            refused_age_s=None if refused is None else now - refused,
            pause_s=None if paused is None or paused <= now else paused - now,
            reached_rps=control.reached_rps(now),
            refused_share=control.refused_share,
            leaving=leaving,
        )

    def _take(self, lane: Lane, request: LeaseRequest, lease: LimitLease) -> None:
        now, control = self._clock(), lane.control
        control.follow(
            SharedLimits(
                share=lease.share,
                factor=lease.factor,
                found=lease.found,
                requests_per_s=lease.requests_per_s,
                tokens_per_s=lease.tokens_per_s,
                rpd=lease.day_limit,
                day_level=lease.day_level,
            ),
            now=now,
        )
        quota = control.quota
        if quota.requests is not None:
            quota.requests.level += lease.requests - request.back.requests
        if quota.tokens is not None:
            quota.tokens.level += lease.tokens - request.back.tokens
        if lease.paused_s > 0.0:
            quota.paused_until = max(quota.paused_until, now + lease.paused_s)
        lane.advance()

    def _ended(self, leasing: asyncio.Task[None]) -> None:
        """Switches to this worker's own share if the leasing task failed, so that no caller waits for a lease forever."""
        if not leasing.cancelled() and (error := leasing.exception()) is not None:
            self._use_own_share(RedisUnavailable(type(error).__name__))

    def _use_own_share(self, error: RedisUnavailable) -> None:
        if not self._is_alone:
            LOG.warning(
                "Redis is unavailable (%s): until it responds, rate limits use this worker's last share.", error
            )
        self._is_alone = True
        for lane in self._lanes.values():
            lane.control.stand_alone(now=self._clock())
            lane.advance()

    def _return(self) -> None:
        if self._is_alone:
            LOG.info("Redis is available again: rate limits are shared again.")
        self._is_alone = False


def _held(control: Controller) -> Amounts:
    """Leased quota that is not spent; negative if more was spent than leased."""
    requests, tokens = control.quota.requests, control.quota.tokens
    return Amounts(requests=requests.level if requests else 0.0, tokens=tokens.level if tokens else 0.0)


def _wanted(lane: Lane) -> tuple[Amounts, Amounts]:
    """The quota wanted for the next `STOCK_S` seconds, and the minimum for the first call in the queue."""
    control = lane.control
    requests, tokens = control.quota.requests, control.quota.tokens
    first = lane.next_tokens()
    need_requests = need_tokens = want_requests = want_tokens = 0.0
    if requests is not None:
        need_requests = 1.0 if first is not None and requests.level < 1.0 else 0.0
        stock = math.floor((_per_second(control.rpm) or 0.0) * control.factor * STOCK_S)
        want_requests = math.floor(max(stock - requests.level, need_requests))
    if tokens is not None:
        need_tokens = max(0.0, math.ceil((first or 0) - tokens.level))
        stock_tokens = (_per_second(control.tpm) or 0.0) * control.factor * STOCK_S
        want_tokens = math.floor(max(stock_tokens - tokens.level, need_tokens))
    return (
        Amounts(requests=want_requests, tokens=want_tokens),
        Amounts(requests=need_requests, tokens=need_tokens),
    )


def _per_second(per_minute: float | None) -> float | None:
    return None if per_minute is None else per_minute / MINUTE_S
