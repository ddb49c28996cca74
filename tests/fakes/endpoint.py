"""An OpenAI-compatible endpoint at the wire: the real `openai` package speaks to it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import httpx2
import orjson

from assay.inference.dialects.registry import DEFAULT_DIALECT
from assay.inference.endpoint.client import ReferenceClient
from assay.inference.endpoint.dialect import ChatDialect

Answer = httpx2.Response | Exception | Callable[[], httpx2.Response]
USAGE = {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120}
WRONG_KEY = {"error": {"message": "Incorrect API key provided", "code": "invalid_api_key"}}


def completion(
    content: object, *, finish_reason: str = "stop", usage: object = USAGE, **message: object
) -> httpx2.Response:
    """A chat completion that answers `content`."""
    choice = {
        "index": 0,
        "finish_reason": finish_reason,
        "message": {"role": "assistant", "content": content, **message},
    }
    body = {"id": "c-1", "model": "gpt-5-nano-2025-08-07", "choices": [choice], "usage": usage}
    return httpx2.Response(200, json=body)


def error(status: int, message: str = "no", *, code: str = "", **headers: str) -> httpx2.Response:
    """An error in OpenAI's form; header names have underscores for dashes."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx2.Response(status, json={"error": {"message": message, "code": code}}, headers=named)


class ScriptedEndpoint:
    """Answers call by call from a list, the last answer again and again; `calls` has the bodies it was sent.

    `taking` seconds pass before each answer, in the loop's own time; `most_in_flight` is what it saw at once.
    """

    def __init__(
        self, answers: Iterable[Answer], *, taking: float = 0.0, dialect: ChatDialect = DEFAULT_DIALECT
    ) -> None:
        self.dialect = dialect
        self._answers = list(answers)
        self._taking = taking
        self.calls: list[dict[str, Any]] = []
        self.reached = asyncio.Event()
        self.in_flight = 0
        self.most_in_flight = 0

    def client(self) -> ReferenceClient:
        """The real client with this endpoint behind it."""
        transport = httpx2.MockTransport(self._respond)
        return ReferenceClient(
            self.dialect,
            base_url="http://endpoint.test/v1",
            api_key="key",
            http_client=httpx2.AsyncClient(transport=transport),
        )

    async def _respond(self, request: httpx2.Request) -> httpx2.Response:
        self.calls.append(orjson.loads(request.content))
        answer = self._answers[min(len(self.calls), len(self._answers)) - 1]
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        self.reached.set()
        try:
            await asyncio.sleep(self._taking)
        finally:
            self.in_flight -= 1
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, httpx2.Response):
            return httpx2.Response(answer.status_code, headers=_plain(answer.headers), content=answer.content)
        return answer()


def _plain(headers: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name != "content-length"}
