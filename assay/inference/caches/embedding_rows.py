"""Converts embedding calls into `responses` rows, so that their cost is recorded."""

from __future__ import annotations

from datetime import timedelta

import orjson

from assay.inference.caches.embeddings import EmbeddingCall
from assay.inference.caches.protocol import SEMANTIC
from assay.inference.endpoint.failures import FailureKind
from assay.inference.prices import PriceBook
from assay.inference.request import RunFacts
from assay.inference.usage import TokenUsage
from assay.records import Response
from assay.records.statuses import Billing, CallPurpose, CallStatus
from assay.statistics.conventions import DEFAULT_TENANT

NO_RECORD = ""
"""Record id and request key of the row: one call embeds the texts of many records."""


def embedding_row(call: EmbeddingCall, *, facts: RunFacts, prices: PriceBook) -> Response:
    """The row of one embedding call; without usage, its cost is unknown, and its upper bound assumes one token per byte."""
    tokens = call.input_tokens
    usage = _input_usage(tokens) if tokens else None
    price, most = (
        prices.price(used, provider=call.provider, model=call.model, on=call.started_at.date())
        for used in (usage or _input_usage(0), _input_usage(call.text_bytes))
    )
    return Response(
        call_id=call.call_id,
        run_id=facts.run_id,
        task=facts.task,
        data_date=facts.data_date,
        occurred_at=call.started_at + timedelta(milliseconds=call.latency_ms),
        tenant_id=DEFAULT_TENANT,
        request_key=NO_RECORD,
        record_id=NO_RECORD,
        epoch=0,
        attempt=1,
        purpose=CallPurpose.EMBEDDING,
        route=SEMANTIC,
        provider=call.provider,
        request_model=call.model,
        status=CallStatus.ERROR if call.error else CallStatus.OK,
        error_type=FailureKind.SERVER.value if call.error else None,
        error_message=call.error,
        usage=orjson.dumps({"prompt_tokens": tokens}).decode() if usage else None,
        input_tokens=tokens if usage else None,
        output_tokens=0 if usage else None,
        uncached_input_tokens=tokens if usage else None,
        cached_input_tokens=0 if usage else None,
        cache_write_tokens=0 if usage else None,
        answer_tokens=0 if usage else None,
        reasoning_tokens=0 if usage else None,
        started_at=call.started_at,
        latency_ms=call.latency_ms,
        is_batch=False,
        cost_usd=price.usd if usage else None,
        price_source=price.source if usage else None,
        cost_upper_usd=None if usage else most.usd,
        billing=Billing.KNOWN if usage else Billing.UNKNOWN,
    )


def _input_usage(tokens: int) -> TokenUsage:
    return TokenUsage(uncached_input=tokens, cached_input=0, cache_write=0, answer=0, reasoning=0)
