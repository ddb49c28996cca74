"""Chooses the limiter: in this process, or shared through Redis where a URL is given."""

from __future__ import annotations

from collections.abc import Mapping

from assay.inference.limits.in_process import InProcessLimiter
from assay.inference.limits.protocol import Limiter
from assay.inference.providers import LaneLimits, Provider


def build_limiter(providers: Mapping[str, Provider], *, redis_url: str | None, run_id: str) -> Limiter:
    """A limiter that knows what `providers.yml` states; `run_id` is whose fair part of shared limits it takes."""

    def told(lane: str) -> LaneLimits:
        provider, _, model = lane.partition(":")
        return providers[provider].lane_limits(model)

    if redis_url is None:
        return InProcessLimiter(told)
    from assay.inference.limits.shared import SharedLimiter

    return SharedLimiter.through(redis_url, told, run_id=run_id)
