"""Span attributes: OpenTelemetry's GenAI semantic conventions, and Assay's own attributes, which start with `assay.`.

A string from an endpoint becomes an attribute only if it looks like a name, so that spans contain no content. Attribute
names are from https://github.com/open-telemetry/semantic-conventions-genai (status: Development) as of 2026-11-25; the
constants in `opentelemetry-semantic-conventions` are deprecated in its favor.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import urlsplit

from assay.inference.request import RunFacts
from assay.records import Prediction, Response
from assay.records.statuses import ANSWERED, CallStatus, FinishReason, SpanStatus

CHAT = "chat"
INVOKE_WORKFLOW = "invoke_workflow"
FINISH_REASONS = frozenset(FinishReason)
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/+-]{0,99}")
PORTS = {"http": 80, "https": 443}

Value = str | int | float | tuple[str, ...]
Server = tuple[str, int]
"""Host and port of a provider."""


def server_of(base_url: str) -> Server | None:
    """Host and port in an endpoint's URL, without the rest of the URL; None if the URL has no host or port."""
    try:
        parts = urlsplit(base_url)
        port = parts.port or PORTS.get(parts.scheme)
    except ValueError:
        return None
    return (parts.hostname, port) if parts.hostname and port else None


def of_run(facts: RunFacts) -> dict[str, Value]:
    """Attributes that every span of a run has."""
    return {"assay.run_id": facts.run_id, "assay.task": facts.task}


def of_workflow(facts: RunFacts) -> dict[str, Value]:
    """Attributes of the run's own span that are known when the run starts."""
    return {
        **of_run(facts),
        "gen_ai.operation.name": INVOKE_WORKFLOW,
        "gen_ai.workflow.name": facts.task,
        "assay.variant": facts.variant,
        "assay.stage": facts.stage,
        "assay.data_date": facts.data_date.isoformat(),
        "assay.inference_version": facts.inference_version,
    }


def of_request(prediction: Prediction | None) -> dict[str, Value]:
    """Attributes of a request's span; `prediction` is None if the run stopped during the request."""
    if prediction is None:
        return {"assay.status": SpanStatus.STOPPED, "error.type": SpanStatus.STOPPED}
    return _stated(
        {
            "assay.status": prediction.status,
            "assay.prediction_id": prediction.prediction_id,
            "assay.answer_source": prediction.answer_source,
            "assay.route": prediction.route,
            "assay.calls": prediction.calls,
            "error.type": None if prediction.status in ANSWERED else prediction.error_type or prediction.status,
        }
    )


def of_call(response: Response, server: Server | None) -> dict[str, Value]:
    """Attributes of a call's span, from its row; without the messages."""
    host, port = server or (None, None)
    reason = response.finish_reason
    stated = _stated(
        {
            "gen_ai.operation.name": CHAT,
            "gen_ai.provider.name": response.provider,
            "gen_ai.request.model": response.request_model,
            "gen_ai.output.type": "json",
            "gen_ai.response.model": _name(response.response_model),
            "gen_ai.response.id": _name(response.response_id),
            "gen_ai.response.finish_reasons": (reason,) if reason in FINISH_REASONS else None,
            "gen_ai.usage.input_tokens": response.input_tokens,
            "gen_ai.usage.output_tokens": response.output_tokens,
            "gen_ai.usage.cache_read.input_tokens": response.cached_input_tokens,
            "gen_ai.usage.cache_creation.input_tokens": response.cache_write_tokens,
            "gen_ai.usage.reasoning.output_tokens": response.reasoning_tokens,
            "server.address": host,
            "server.port": port,
            "http.response.status_code": response.http_status,
            "error.type": None if response.status == CallStatus.OK else response.error_type or response.status,
        }
    )
    return stated | _of_call_here(response)


def _of_call_here(response: Response) -> dict[str, Value]:
    """Assay's own attributes of a call's span; amounts in USD, times in ms."""
    return _stated(
        {
            "assay.call_id": response.call_id,
            "assay.attempt": response.attempt,
            "assay.purpose": response.purpose,
            "assay.route": response.route,
            "assay.status": response.status,
            "assay.queue_ms": response.queue_ms,
            "assay.billing": response.billing,
            "assay.cost_usd": None if response.cost_usd is None else float(response.cost_usd),
            "assay.is_batch": response.is_batch,
        }
    )


def _name(text: str | None) -> str | None:
    """The text if it looks like a model name or an id; None for other text, e.g. an email address or a sentence."""
    return text if text is not None and NAME.fullmatch(text) else None


def _stated(values: Mapping[str, Value | None]) -> dict[str, Value]:
    return {name: value for name, value in values.items() if value is not None}
