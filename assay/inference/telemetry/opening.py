"""Opens the tracing of one run according to the settings.

The OpenTelemetry SDK is imported only if tracing is enabled.
"""

from __future__ import annotations

from collections.abc import Mapping

from assay.inference.request import RunFacts
from assay.inference.telemetry.attributes import server_of
from assay.inference.telemetry.protocol import NoTracing, Tracing
from assay.settings.traces import TraceSettings


def open_tracing(traces: TraceSettings, facts: RunFacts, *, base_urls: Mapping[str, str]) -> Tracing:
    """Tracing of the run according to the settings; `base_urls` maps each provider to its base URL.

    Raises:
        UsageError: tracing is enabled, but the exporter is not installed.
    """
    if traces.endpoint is None:
        return NoTracing()
    from opentelemetry.trace import SpanContext

    from assay.inference.telemetry.export import otlp_exporter, traced
    from assay.inference.telemetry.spans import SAMPLED, TracedRun

    parent = traces.parent
    above = (
        None if parent is None else SpanContext(parent.trace_id, parent.span_id, is_remote=True, trace_flags=SAMPLED)
    )
    servers = {name: server for name, url in base_urls.items() if (server := server_of(url)) is not None}
    run = TracedRun(facts=facts, servers=servers, sample=traces.sample, parent=above)
    return traced(run, otlp_exporter(traces.endpoint), service=traces.service)
