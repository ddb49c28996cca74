"""What affects every record is told from what affects one, in the words of many endpoints.

The bodies are those of the endpoints' public documentation and of public bug reports; the kinds are what the documentation
says the error means.
"""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from assay.inference.dialects.openai_chat import OpenAIChat
from assay.inference.endpoint.failures import STOPS_THE_RUN, CallFailure, FailureKind
from assay.inference.endpoint.rejections import Rejections
from assay.inference.endpoint.replies import Reply
from assay.inference.endpoint.responses import read_response


def stated(message: str, **parts: Any) -> dict[str, Any]:
    return {"error": {"message": message, **parts}}


QUOTA, MODEL, PARAMETER = FailureKind.OUT_OF_QUOTA, FailureKind.MODEL_NOT_FOUND, FailureKind.PARAMETER_REFUSED
OF_ONE, LIMITED, FILTER = FailureKind.BAD_REQUEST, FailureKind.RATE_LIMITED, FailureKind.CONTENT_FILTER

ERRORS: dict[str, tuple[int, Any, FailureKind]] = {
    "OpenAI, quota": (429, stated("You exceeded your current quota, please check your plan.", type="insufficient_quota", code="insufficient_quota"), QUOTA),
    "OpenAI, quota by type": (429, stated("No credit.", type="insufficient_quota", code=None), QUOTA),
    "OpenAI, account inactive": (429, stated("Your account is not active.", type="billing_not_active", code="billing_not_active"), QUOTA),
    "OpenAI, hard limit": (400, stated("Billing hard limit has been reached", type="invalid_request_error", code="billing_hard_limit_reached"), QUOTA),
    "DeepSeek, balance": (402, stated("Insufficient Balance", type="unknown_error", code="invalid_request_error"), QUOTA),
    "OpenRouter, credits inside 200": (200, stated("Insufficient credits. Add more.", code=402), QUOTA),
    "Anthropic, balance": (400, {"type": "error", "error": {"type": "invalid_request_error", "message": "Your credit balance is too low to access the API."}}, QUOTA),
    "OpenAI, rate": (429, stated("Rate limit reached for requests", type="requests", code="rate_limit_exceeded"), LIMITED),
    "OpenRouter, rate inside 200": (200, stated("Rate limit exceeded", code=429), LIMITED),
    "OpenRouter, upstream inside 200": (200, stated("Provider returned error", code=502), FailureKind.SERVER),
    "OpenAI, model": (404, stated("The model `gpt-9` does not exist or you do not have access to it.", type="invalid_request_error", code="model_not_found"), MODEL),
    "vLLM, model": (404, stated("The model `x` does not exist.", type="NotFoundError", param="model", code=404), MODEL),
    "vLLM of old, model": (404, {"object": "error", "message": "The model `x` does not exist.", "type": "NotFoundError", "param": None, "code": 404}, MODEL),
    "Ollama, model": (404, stated('model "llama9" not found, try pulling it first', type="api_error", param=None, code=None), MODEL),
    "Mistral, model": (400, {"object": "error", "message": "Invalid model: nope", "type": "invalid_model", "param": None, "code": "1500"}, MODEL),
    "Azure, deployment": (404, stated("The API deployment for this resource does not exist.", code="DeploymentNotFound"), MODEL),
    "OpenRouter, model": (400, stated("nope/nope is not a valid model ID", code=400), OF_ONE),
    "OpenAI, parameter": (400, stated("Unsupported parameter: 'max_tokens' is not supported with this model.", type="invalid_request_error", param="max_tokens", code="unsupported_parameter"), PARAMETER),
    "OpenAI, value": (400, stated("Unsupported value: 'temperature' does not support 0 with this model.", type="invalid_request_error", param="temperature", code="unsupported_value"), PARAMETER),
    "OpenAI, too many tokens": (400, stated("max_tokens is too large: 99999.", type="invalid_request_error", param="max_tokens", code=None), PARAMETER),
    "OpenAI, schema": (400, stated("Invalid schema for response_format 'Answer'", type="invalid_request_error", param="response_format", code=None), PARAMETER),
    "DeepSeek, schema": (400, stated("This response_format type is unavailable now", type="invalid_request_error", param=None, code="invalid_request_error"), PARAMETER),
    "OpenAI, context": (400, stated("This model's maximum context length is 8192 tokens.", type="invalid_request_error", param="messages", code="context_length_exceeded"), OF_ONE),
    "OpenAI, content of a message": (400, stated("Invalid value.", type="invalid_request_error", param="messages.[0].content", code="invalid_value"), OF_ONE),
    "Azure, filter": (400, stated("The response was filtered.", type=None, param="prompt", code="content_filter"), FILTER),
    "OpenRouter, moderation": (403, stated("Your input was flagged", code=403, metadata={"reasons": ["violence"], "flagged_input": "..."}), FILTER),
    "OpenAI, key": (401, stated("Incorrect API key provided: sk-x.", type="invalid_request_error", code="invalid_api_key"), FailureKind.AUTH),
    "an overload that mentions a parameter": (503, stated("overloaded", param="temperature", code=None), FailureKind.SERVER),
}  # fmt: skip


@pytest.mark.parametrize("case", ERRORS)
def test_an_error_has_the_kind_that_its_documentation_gives_it(case: str) -> None:
    status, body, kind = ERRORS[case]

    found = read_response(OpenAIChat(), status, {}, orjson.dumps(body))

    assert isinstance(found, CallFailure)
    assert found.kind is kind
    assert (body.get("error") or body)["message"][:20] in found.message


def test_what_affects_every_record_stops_the_run() -> None:
    assert {QUOTA, MODEL, PARAMETER, FailureKind.AUTH} == STOPS_THE_RUN


def rejection(message: str) -> CallFailure:
    return CallFailure(OF_ONE, message, http_status=400)


ANSWER = Reply("{}", "stop", None, None, None, None, None)


def test_a_route_that_rejects_its_first_requests_alike_rejects_all() -> None:
    seen = Rejections(first_requests=3)

    assert [seen.note("a", rejection(f"no such path, request {number}")) for number in range(3)] == [False, False, True]


@pytest.mark.parametrize(
    "outcomes",
    [
        [ANSWER, *(rejection("too long"),) * 9],
        [rejection("too long"), ANSWER, *(rejection("too long"),) * 9],
        [rejection("too long"), rejection("bad image"), *(rejection("too long"),) * 9],
        [CallFailure(FailureKind.SERVER, "busy", http_status=503)] * 9,
    ],
)
def test_rejections_of_some_records_stop_nothing(outcomes: list[Reply | CallFailure]) -> None:
    seen = Rejections(first_requests=3)

    assert not any(seen.note("a", outcome) for outcome in outcomes)


def test_each_route_counts_for_itself() -> None:
    seen = Rejections(first_requests=2)

    assert [seen.note(route, rejection("no")) for route in ("a", "b", "a")] == [False, False, True]
