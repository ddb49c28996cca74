"""Requests a lane's next lease of quota from Redis: the request, the lease, and their encoding.

`lease.lua` divides the quota among all workers; it runs in Redis, one request at a time. A lane's key in Redis ends
with the lane's name and expires after two days without use.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import orjson

from assay.inference.limits import control, pacing

if TYPE_CHECKING:
    from redis.asyncio import Redis

KEY = "assay:limits:{%s}"
LIVES_S = 2.0
"""Seconds without a request after which a worker counts as stopped; its share is then divided among the others."""
KEPT_S = 172_800
TIMEOUT_S = 1.0
RULES = {
    "pace": pacing.PACE,
    "burst_s": pacing.BURST_S,
    "decrease": control.DECREASE,
    "first_decrease": control.FIRST_DECREASE,
    "few": control.FEW,
    "least": control.LEAST,
    "raised": control.RAISED,
    "recover_per_s": control.RECOVER_PER_S,
    "lowest_factor": control.LOWEST_FACTOR,
    "lowest_rps": control.LOWEST_RPS,
    "kept_s": KEPT_S,
}


class RedisUnavailable(Exception):
    """Raised if Redis did not respond, or responded with an error; the message names the error, but not the URL."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Amounts:
    """Amounts of quota by kind."""

    requests: float = 0.0
    tokens: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownLimits:
    """Known limits by kind; None if a limit is unknown."""

    requests: float | None = None
    tokens: float | None = None
    day: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseRequest:
    """State and needs of one worker in one lane.

    `limits` are per second (`day` per day), as stated or as learned by the worker. `at_provider` is the remaining quota
    in the provider's own buckets according to the latest headers. `want` is the amount wanted, `need` the minimum for
    the first call in the queue; `back` is returned because it was leased but not used. `refused_age_s` is the number of
    seconds since the latest refused call was sent, `refused_share` the share of refused calls.
    """

    worker: str
    run: str
    wants: bool
    want: Amounts = field(default_factory=Amounts)
    need: Amounts = field(default_factory=Amounts)
    back: Amounts = field(default_factory=Amounts)
    limits: KnownLimits = field(default_factory=KnownLimits)
    at_provider: KnownLimits = field(default_factory=KnownLimits)
    day_level: float | None = None
    refused_age_s: float | None = None
    pause_s: float | None = None
    reached_rps: float = 0.0
    refused_share: float = 0.0
    leaving: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitLease:
    """Quota that a worker may spend, and the limits of the lane for all workers together.

    `found` is True if 429s determined the rate.
    """

    requests: float
    tokens: float
    share: float
    factor: float
    paused_s: float
    found: bool = False
    requests_per_s: float | None = None
    tokens_per_s: float | None = None
    day_limit: float | None = None
    day_level: float | None = None


class RedisLeases:
    """Leases from one Redis; connects on the first request, and again after a failure.

    `lives_s` must be the same for all workers of a lane.
    """

    def __init__(self, url: str, *, lives_s: float = LIVES_S) -> None:
        from redis.asyncio import Redis
        from redis.asyncio.retry import Retry
        from redis.backoff import NoBackoff

        self._redis: Redis = Redis.from_url(
            url, socket_timeout=TIMEOUT_S, socket_connect_timeout=TIMEOUT_S, retry=Retry(NoBackoff(), 1)
        )
        self._rules = {**RULES, "lives_s": lives_s}
        self._script = self._redis.register_script(files(__package__).joinpath("lease.lua").read_text("utf-8"))

    async def request(self, lane: str, question: LeaseRequest) -> LimitLease:
        """Requests the lease and returns it.

        Raises:
            RedisUnavailable: nothing was leased, or the outcome is unknown.
        """
        from redis.exceptions import RedisError

        try:
            answer = await self._script(
                keys=[KEY % lane], args=[orjson.dumps({**_written(question), "rules": self._rules})]
            )
        except (RedisError, OSError) as error:
            raise RedisUnavailable(f"{type(error).__name__}") from error
        return LimitLease(**orjson.loads(answer))

    async def close(self) -> None:
        """Closes the connection."""
        await self._redis.aclose()


def _written(question: LeaseRequest) -> dict[str, Any]:
    """The request without None values: in Lua, an absent field is nil, but a JSON null is not."""
    written = asdict(question)
    for name, value in list(written.items()):
        if value is None:
            del written[name]
        elif isinstance(value, dict):
            written[name] = {kind: amount for kind, amount in value.items() if amount is not None}
    return written
