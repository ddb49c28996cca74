"""A provider as limiters meet it, in virtual time: it counts by a bucket of its own and refuses what is beyond.

Belongs here: the provider, the answers it gives, and callers who keep a limiter busy.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from assay.inference.endpoint.failures import CallFailure, FailureKind
from assay.inference.endpoint.rate_headers import RateHeaders
from assay.inference.endpoint.replies import Reply
from assay.inference.limits.protocol import Limiter
from tests.fakes.virtual_time import now

Outcome = Reply | CallFailure
LANE = "openai:gpt-5-nano"


def reply(headers: RateHeaders | None = None) -> Reply:
    """A good answer."""
    return Reply("{}", "stop", None, "c", "m", None, None, headers=headers)


def refusal(headers: RateHeaders | None = None, *, retry_after_s: float | None = None) -> CallFailure:
    """HTTP 429."""
    return CallFailure(
        FailureKind.RATE_LIMITED, "HTTP 429", http_status=429, retry_after_s=retry_after_s, headers=headers
    )


def unreached() -> CallFailure:
    """Nothing was sent."""
    return CallFailure(FailureKind.CONNECT, "no connection could be made")


@dataclass
class Provider:
    """Takes `rpm` calls (and `tpm` tokens) a minute and `burst_s` seconds of them at once; tells so if `tells`.

    It refuses one call in `busy_every` beside, whatever their rate.
    """

    rpm: int
    tpm: int | None = None
    tells: bool = True
    burst_s: float = 1.0
    latency_s: float = 0.2
    busy_every: int = 0
    taken: list[float] = field(default_factory=list)
    refused: list[float] = field(default_factory=list)
    tokens: int = 0
    _levels: dict[str, tuple[float, float]] = field(default_factory=dict)

    async def call(self, tokens: int) -> Outcome:
        """The answer, after a while."""
        arrived = now()
        costs = {"requests": (self.rpm, 1), **({"tokens": (self.tpm, tokens)} if self.tpm else {})}
        levels = {kind: self._level(kind, limit, arrived) for kind, (limit, _) in costs.items()}
        is_busy = self.busy_every and (len(self.taken) + len(self.refused)) % self.busy_every == 0
        is_taken = not is_busy and all(levels[kind] >= cost for kind, (_, cost) in costs.items())
        for kind, (_, cost) in costs.items():
            self._levels[kind] = (levels[kind] - (cost if is_taken else 0), arrived)
        (self.taken if is_taken else self.refused).append(arrived)
        self.tokens += tokens if is_taken else 0
        headers = self._headers() if self.tells else None
        await asyncio.sleep(self.latency_s)
        return reply(headers) if is_taken else refusal(headers)

    def used(self, since: float, until: float) -> float:
        """The part of the limit on requests that was used between the two moments."""
        return sum(since <= moment < until for moment in self.taken) / (self.rpm / 60 * (until - since))

    @property
    def refused_share(self) -> float:
        """Refusals among all calls."""
        return len(self.refused) / (len(self.taken) + len(self.refused))

    def _level(self, kind: str, limit: int | None, at: float) -> float:
        most = (limit or 0) / 60 * self.burst_s
        level, since = self._levels.get(kind, (most, at))
        return min(most, level + (at - since) * (limit or 0) / 60)

    def _headers(self) -> RateHeaders:
        told: dict[str, float] = {}
        for kind, limit in (("requests", self.rpm), ("tokens", self.tpm)):
            if limit:
                level = self._levels[kind][0]
                told |= {f"limit_{kind}": limit, f"remaining_{kind}": int(level)}
                told[f"reset_{kind}_s"] = (limit / 60 * self.burst_s - level) / (limit / 60)
        return RateHeaders(**told)  # type: ignore[arg-type]


async def keep_busy(limiter: Limiter, provider: Provider, *, callers: int, seconds: float, tokens: int = 1) -> None:
    """For so long each caller calls, again and again."""
    until = now() + seconds

    async def caller() -> None:
        while now() < until:
            await limiter.acquire(LANE, tokens)
            outcome = await provider.call(tokens)
            limiter.release(LANE, held_tokens=tokens, used_tokens=tokens, outcome=outcome)

    await asyncio.gather(*(caller() for _ in range(callers)))
