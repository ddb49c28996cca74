"""Chooses the rate limiter: one for this process only, or one shared through Redis if a URL is given."""

from __future__ import annotations

from collections.abc import Mapping

from assay.inference.limits.in_process import InProcessLimiter
from assay.inference.limits.protocol import Limiter
from assay.inference.providers import LaneLimits, Provider


def build_limiter(providers: Mapping[str, Provider], *, redis_url: str | None, run_id: str) -> Limiter:
    """The limiter for the limits stated in `providers.yml`; `run_id` is the run that receives a share of shared limits."""

    def stated(lane: str) -> LaneLimits:
        provider, _, model = lane.partition(":")
        return providers[provider].lane_limits(model)

    if redis_url is None:
        return InProcessLimiter(stated)
    from assay.inference.limits.shared import SharedLimiter

    return SharedLimiter.through(redis_url, stated, run_id=run_id)
