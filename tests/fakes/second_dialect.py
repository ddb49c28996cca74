"""A chat API that no one offers, unlike OpenAI's wherever it can be, and an endpoint that speaks it over real HTTP.

The model is in the path, the key in a header of its own, system words apart from the turns, cached tokens beside the
others, errors under other names; it has no batches.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler
from typing import Any, ClassVar
from urllib.parse import quote, unquote

import orjson

from assay.inference.endpoint.dialect import BodySettings, BodyWriter, ChatDialect, StatedError
from assay.inference.endpoint.failures import CallFailure, FailureKind
from assay.inference.endpoint.rate_headers import RateHeaders
from assay.inference.endpoint.replies import Reply, StopReason, text_or_none, unreadable, writable
from assay.inference.usage import TokenUsage, first_count
from tests.fakes.model_endpoint import Asked, ModelEndpoint, Reaction

NAMES = {"user": "person", "assistant": "machine"}
STOPS = {"full": StopReason.LENGTH, "blocked": StopReason.CONTENT_FILTER}
SORTS = {"no_credit": FailureKind.OUT_OF_QUOTA, "blocked": FailureKind.CONTENT_FILTER}
PATH = re.compile(r"/v1/models/([^/:]+):say\?v=2")


class SecondDialect(ChatDialect):
    name: ClassVar[str] = "second"

    def path(self, model: str) -> str:
        return f"/models/{quote(model, safe='')}:say?v=2"

    def headers(self, api_key: str) -> Mapping[str, str]:
        return {"X-Say-Key": api_key, "X-Say-Version": "2"}

    def body_writer(self, settings: BodySettings) -> BodyWriter:
        size = {"most": settings.parameters["max_tokens"]} if "max_tokens" in settings.parameters else {}
        shared = {"shape": settings.schema, "size": size, "heat": settings.parameters.get("temperature")}

        def write(messages: bytes, *, predicted: str | None = None) -> bytes:
            asked = orjson.loads(messages)
            rules = [message["content"] for message in asked if message["role"] == "system"]
            turns = [{NAMES[item["role"]]: item["content"]} for item in asked if item["role"] in NAMES]
            return orjson.dumps({"rules": rules, "turns": turns, **shared})

        return write

    def read_reply(
        self, content: Mapping[str, Any], limits: RateHeaders | None, *, is_strict: bool
    ) -> Reply | CallFailure:
        if "said" not in content:
            return unreadable("nothing was said", limits)
        usage = writable(content.get("count"), is_strict=is_strict)
        ending = text_or_none(content.get("ending"))
        return Reply(
            text=text_or_none(content["said"]),
            finish_reason=ending,
            refusal=text_or_none(content.get("no")),
            response_id=text_or_none(content.get("number")),
            response_model=text_or_none(content.get("by")),
            service_tier=None,
            usage=usage,
            headers=limits,
            stop=STOPS.get(ending or ""),
            tokens=self.token_usage(usage),
        )

    def read_error(self, content: object, *, status: int | None = None) -> StatedError:
        if not isinstance(content, dict):
            return StatedError("")
        return StatedError(str(content.get("trouble") or ""), SORTS.get(str(content.get("sort"))))

    def token_usage(self, usage: Mapping[str, Any] | None) -> TokenUsage | None:
        counts = [first_count(usage or {}, name) for name in ("fresh", "kept", "out")]
        fresh, kept, out = counts
        if fresh is None or kept is None or out is None:
            return None
        return TokenUsage(uncached_input=fresh, cached_input=kept, cache_write=0, answer=out, reasoning=0)


def said(text: str | None, *, ending: str = "done", **parts: object) -> dict[str, object]:
    """The body of a reply."""
    count = {"fresh": 70, "kept": 30, "out": 20}
    return {"said": text, "ending": ending, "number": "n-1", "by": "big-1", "count": count, **parts}


class SecondEndpoint(ModelEndpoint):
    """A `ModelEndpoint` in the second dialect; what it was asked is kept in OpenAI's words, keys in `keys`."""

    def __init__(self) -> None:
        super().__init__()
        self.keys: list[str | None] = []

    def handler(self) -> type[BaseHTTPRequestHandler]:
        """What speaks to those who connect."""
        return _handler_of(self)


def _handler_of(endpoint: SecondEndpoint) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            found = PATH.fullmatch(self.path)
            if found is None:
                self._send(404, {"trouble": f"no {self.path} here"})
                return
            endpoint.keys.append(self.headers["X-Say-Key"])
            asked = endpoint.record(_in_openai_words(body, unquote(found[1])), dict(self.headers))
            reaction = endpoint.react(asked)
            endpoint.ended()
            self._send(reaction.status, _content_of(asked, reaction))

        def _send(self, status: int, content: object) -> None:
            text = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, format: str, *args: object) -> None:
            """Requests are recorded, not printed."""

    return Handler


def _in_openai_words(body: Mapping[str, Any], model: str) -> dict[str, Any]:
    roles = {name: role for role, name in NAMES.items()}
    messages = [{"role": "system", "content": text} for text in body["rules"]]
    messages += [{"role": roles[name], "content": text} for turn in body["turns"] for name, text in turn.items()]
    return {"model": model, "messages": messages, "response_format": {"json_schema": {"schema": body["shape"]}}}


def _content_of(asked: Asked, reaction: Reaction) -> dict[str, object]:
    if reaction.status != 200:
        return {"trouble": reaction.message, "sort": reaction.code}
    return said(reaction.text, number=f"n-{asked.number}", by=asked.body["model"])
