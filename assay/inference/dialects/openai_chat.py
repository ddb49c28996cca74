"""OpenAI's Chat Completions API, including compatible endpoints (vLLM, llama.cpp, Ollama, gateways).

Sources: OpenAI's API reference for "Create chat completion", "Error codes" and "Prompt caching".
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

import orjson

from assay.inference.dialects.openai_batches import OpenAIBatches
from assay.inference.endpoint.dialect import BodySettings, BodyWriter, ChatDialect, StatedError
from assay.inference.endpoint.failures import ANSWERED, CallFailure, FailureKind
from assay.inference.endpoint.rate_headers import RateHeaders
from assay.inference.endpoint.replies import Reply, StopReason, text_or_none, unreadable, writable
from assay.inference.endpoint.responses import error_failure
from assay.inference.routing.confidence import answer_confidence
from assay.inference.usage import TokenUsage, first_count
from assay.records.statuses import FinishReason
from assay.tasks.output_model import is_strict as is_strict_schema

PATH = "/chat/completions"
PROMPT_CACHE_KEY = "prompt_cache_key"
CODE_KINDS = {
    "insufficient_quota": FailureKind.OUT_OF_QUOTA,
    "billing_not_active": FailureKind.OUT_OF_QUOTA,
    "billing_hard_limit_reached": FailureKind.OUT_OF_QUOTA,
    "insufficient_balance": FailureKind.OUT_OF_QUOTA,
    FailureKind.MODEL_NOT_FOUND: FailureKind.MODEL_NOT_FOUND,
    "invalid_model": FailureKind.MODEL_NOT_FOUND,
    "DeploymentNotFound": FailureKind.MODEL_NOT_FOUND,
    "unsupported_parameter": FailureKind.PARAMETER_REFUSED,
    "unknown_parameter": FailureKind.PARAMETER_REFUSED,
    "unsupported_value": FailureKind.PARAMETER_REFUSED,
    FinishReason.CONTENT_FILTER: FailureKind.CONTENT_FILTER,
    "content_policy_violation": FailureKind.CONTENT_FILTER,
}
"""Kinds of failure by the value of `code` or `type` in an error object, which endpoints use interchangeably."""
CREDIT = re.compile(r"credit balance is too low|insufficient (?:balance|credits?)|exceeded your current quota", re.I)
NO_MODEL = re.compile(
    r"\bmodel\b.*\b(?:not (?:exist|found)|unknown)\b|\b(?:unknown|invalid|no such) model\b|\bmodel: ", re.I
)
SCHEMA_MODE = re.compile(r"response_format|json_schema", re.I)
OF_A_RECORD = frozenset({"messages", "prediction"})
"""Fields of a request that differ between records; an error that names another one affects every record."""
REQUEST_IS_WRONG = frozenset({400, 404, 422})
BAD_GATEWAY = 502
"""Status of an error inside a response that states none: the gateway's upstream failed."""
STOPS: dict[str, StopReason] = {
    FinishReason.LENGTH: StopReason.LENGTH,
    FinishReason.CONTENT_FILTER: StopReason.CONTENT_FILTER,
}


class OpenAIChat(ChatDialect):
    """See `ChatDialect` for each method."""

    name: ClassVar[str] = "openai_chat"

    @property
    def batches(self) -> OpenAIBatches:
        """The dialect of OpenAI's Batch API."""
        return OpenAIBatches(self)

    def path(self, _: str) -> str:
        """The path is the same for every model, because the body names the model."""
        return PATH

    def headers(self, api_key: str) -> Mapping[str, str]:
        """The API key as a bearer token."""
        return {"Authorization": f"Bearer {api_key}"}

    def body_writer(self, settings: BodySettings) -> BodyWriter:
        """Returns a writer that inserts the messages between bytes that are the same for every request."""
        shared: dict[str, Any] = {
            **settings.parameters,
            "response_format": {
                "type": "json_schema",
                "json_schema": {
                    "name": settings.schema_name,
                    "schema": settings.schema,
                    "strict": is_strict_schema(settings.schema),
                },
            },
        }
        if settings.wants_logprobs:
            shared["logprobs"] = True
        if settings.cache_key is not None:
            shared[PROMPT_CACHE_KEY] = settings.cache_key
        head = b'{"model":' + orjson.dumps(settings.model) + b',"messages":'
        tail = b"," + orjson.dumps(shared)[1:]

        def write(messages: bytes, *, predicted: str | None = None) -> bytes:
            if predicted is None:
                return head + messages + tail
            prediction = orjson.dumps({"type": "content", "content": predicted})
            return head + messages + b',"prediction":' + prediction + tail

        return write

    def read_reply(
        self, content: Mapping[str, Any], limits: RateHeaders | None, *, is_strict: bool
    ) -> Reply | CallFailure:
        """The reply in the first choice of a chat completion."""
        choices = content.get("choices")
        if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
            if isinstance(content.get("error"), dict | str):
                return self._error_inside(content, limits)
            return unreadable("the endpoint's response has no choices", limits)
        choice = choices[0]
        message = choice.get("message")
        if not isinstance(message, dict):
            message = {}
        finish_reason = text_or_none(choice.get("finish_reason"))
        usage = writable(content.get("usage"), is_strict=is_strict)
        return Reply(
            text=text_or_none(message.get("content")),
            finish_reason=finish_reason,
            refusal=text_or_none(message.get("refusal")),
            response_id=text_or_none(content.get("id")),
            response_model=text_or_none(content.get("model")),
            service_tier=text_or_none(content.get("service_tier")),
            usage=usage,
            confidence=answer_confidence(choice) if choice.get("logprobs") else None,
            headers=limits,
            stop=STOPS.get(finish_reason) if finish_reason is not None else None,
            tokens=token_usage(usage),
        )

    def read_error(self, content: object, *, status: int | None = None) -> StatedError:
        """The message and the kind of failure in `error`, or in the body itself, which some endpoints send."""
        error = content.get("error", content) if isinstance(content, dict) else content
        if not isinstance(error, dict):
            message = error if isinstance(error, str) else ""
            return StatedError(message, _kind_of_message(message, status))
        message = _message(error)
        codes = (text_or_none(error.get(name)) or "" for name in ("code", "type"))
        kind = next((CODE_KINDS[code] for code in codes if code in CODE_KINDS), None)
        return StatedError(message, kind or _kind_of_object(error, status) or _kind_of_message(message, status))

    def _error_inside(self, content: Mapping[str, Any], limits: RateHeaders | None) -> CallFailure:
        """The failure of a response with status 200 that holds an error object, as gateways send; its code decides."""
        error = content["error"]
        code = error.get("code") if isinstance(error, dict) else None
        status = int(code) if isinstance(code, int | str) and re.fullmatch(r"[45][0-9]{2}", str(code)) else None
        found = error_failure(self.read_error(content, status=status), status=status or BAD_GATEWAY, limits=limits)
        if status is None:  # it may be billed
            return replace(
                found, http_status=ANSWERED, message=found.message.replace(f"HTTP {BAD_GATEWAY}", "HTTP 200", 1)
            )
        return found

    def token_usage(self, usage: Mapping[str, Any] | None) -> TokenUsage | None:
        """See `token_usage` below."""
        return token_usage(usage)


def _message(error: Mapping[str, Any]) -> str:
    message = error.get("message")
    if isinstance(message, str) or not message:
        return message or ""
    try:
        return str(message)
    except RecursionError:
        return ""


def _kind_of_object(error: Mapping[str, Any], status: int | None) -> FailureKind | None:
    """The kind of failure by the parameter that the error names, or by the input that a gateway flagged."""
    metadata = error.get("metadata")
    if isinstance(metadata, dict) and "flagged_input" in metadata:
        return FailureKind.CONTENT_FILTER
    parameter = re.split(r"[.\[]", text_or_none(error.get("param")) or "", maxsplit=1)[0]
    if not parameter or parameter in OF_A_RECORD or status not in REQUEST_IS_WRONG:
        return None
    return FailureKind.MODEL_NOT_FOUND if parameter == "model" else FailureKind.PARAMETER_REFUSED


def _kind_of_message(message: str, status: int | None) -> FailureKind | None:
    """The kind of failure by the words of endpoints that state no code."""
    if CREDIT.search(message):
        return FailureKind.OUT_OF_QUOTA
    if status not in REQUEST_IS_WRONG:
        return None
    if NO_MODEL.search(message):
        return FailureKind.MODEL_NOT_FOUND
    return FailureKind.PARAMETER_REFUSED if SCHEMA_MODE.search(message) else None


def token_usage(raw: Mapping[str, Any] | None) -> TokenUsage | None:
    """The token counts in the usage object of a chat completion, a response or an Anthropic message; None without counts.

    According to OpenAI's API reference, `prompt_tokens` includes cached tokens and `completion_tokens` includes reasoning
    tokens. Anthropic's `input_tokens`, which some gateways forward, excludes tokens read from the cache and tokens
    written to it.
    """
    if not raw:
        return None
    total_in, total_out = (
        first_count(raw, "prompt_tokens", "input_tokens"),
        first_count(raw, "completion_tokens", "output_tokens"),
    )
    if total_in is None or total_out is None:
        return None
    details_in = _details(raw, "prompt_tokens_details", "input_tokens_details")
    details_out = _details(raw, "completion_tokens_details", "output_tokens_details")
    cached = written = reasoning = 0
    if details_in:
        cached = min(first_count(details_in, "cached_tokens") or 0, total_in)
        written = min(first_count(details_in, "cache_write_tokens", "cache_creation_tokens") or 0, total_in - cached)
    if details_out:
        reasoning = min(first_count(details_out, "reasoning_tokens", "thinking_tokens") or 0, total_out)
    beside = raw if "input_tokens" in raw and not details_in else {}
    return TokenUsage(
        uncached_input=total_in - cached - written,
        cached_input=cached + ((first_count(beside, "cache_read_input_tokens") or 0) if beside else 0),
        cache_write=written + ((first_count(beside, "cache_creation_input_tokens") or 0) if beside else 0),
        answer=total_out - reasoning,
        reasoning=reasoning,
    )


def _details(raw: Mapping[str, Any], *names: str) -> Mapping[str, Any]:
    for name in names:
        found = raw.get(name)
        if isinstance(found, dict) and found:
            return found
    return {}
