"""Tracing settings: the standard variables of OpenTelemetry."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from assay.errors import UsageError
from assay.settings.endpoints import url_issue

SAMPLERS = (
    "parentbased_always_on",
    "parentbased_traceidratio",
    "parentbased_always_off",
    "always_on",
    "traceidratio",
    "always_off",
)
TRACEPARENT = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(?:-.*)?")


@dataclass(frozen=True, slots=True)
class TraceParent:
    """The parent span of this process, as defined by W3C Trace Context."""

    trace_id: int
    span_id: int
    is_sampled: bool


@dataclass(frozen=True, slots=True)
class TraceSettings:
    """Tracing settings from the standard variables of OpenTelemetry; without an `endpoint`, tracing is off.

    `sample` is the share of a run's requests that are traced, from 0 to 1.
    """

    endpoint: str | None = None
    sample: float = 1.0
    service: str = "assay"
    parent: TraceParent | None = None


def trace_settings(env: Mapping[str, str]) -> TraceSettings:
    """Tracing settings from the standard variables; with an endpoint, tracing is on unless a variable turns it off.

    Raises:
        UsageError: a variable has an invalid value.
    """
    base, endpoint = env.get("OTEL_EXPORTER_OTLP_ENDPOINT"), env.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
    endpoint = endpoint or (f"{base.rstrip('/')}/v1/traces" if base else None)
    if (
        endpoint is None
        or env.get("OTEL_SDK_DISABLED", "").lower() == "true"
        or env.get("OTEL_TRACES_EXPORTER") == "none"
    ):
        return TraceSettings()
    if url_issue(endpoint):
        raise UsageError(
            "OTEL_EXPORTER_OTLP_ENDPOINT is not a URL: expected http://HOST:PORT or https://…",
            next_step="change it, or unset it to turn tracing off.",
        )
    name = (
        "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"
        if env.get("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL")
        else "OTEL_EXPORTER_OTLP_PROTOCOL"
    )
    if (env.get(name) or "http/protobuf") != "http/protobuf":
        raise UsageError(
            f"{name} is {env[name]!r}: expected http/protobuf, which collectors accept on port 4318",
            next_step="set it to http/protobuf, or unset it.",
        )
    parent, sampler = _traceparent(env.get("TRACEPARENT", "")), env.get("OTEL_TRACES_SAMPLER") or SAMPLERS[0]
    if sampler not in SAMPLERS:
        raise UsageError(f"OTEL_TRACES_SAMPLER is {sampler!r}: expected one of {', '.join(SAMPLERS)}.")
    is_enabled = (
        parent is not None and parent.is_sampled if parent and "parentbased" in sampler else "always_off" not in sampler
    )
    share = _share(env, "OTEL_TRACES_SAMPLER_ARG") if "ratio" in sampler else 1.0
    service = env.get("OTEL_SERVICE_NAME") or "assay"
    return TraceSettings(endpoint=endpoint if is_enabled else None, sample=share, service=service, parent=parent)


def _traceparent(text: str) -> TraceParent | None:
    """The parent span; None if the text is empty or does not follow https://www.w3.org/TR/trace-context/."""
    match = TRACEPARENT.fullmatch(text.strip())
    if match is None or match[1] == "ff" or not int(match[2], 16) or not int(match[3], 16):
        return None
    return TraceParent(int(match[2], 16), int(match[3], 16), is_sampled=bool(int(match[4], 16) & 1))


def _share(env: Mapping[str, str], name: str) -> float:
    value = env.get(name) or "1"
    if not re.fullmatch(r"(0|1)(\.\d+)?|\.\d+", value, re.ASCII) or float(value) > 1:
        raise UsageError(f"{name} is {value!r}: expected a share from 0 to 1.")
    return float(value)
