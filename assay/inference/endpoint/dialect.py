"""The seam to a chat API: body, headers, path, and how a reply, its usage and an error are read.

Everything but the modules of `assay.inference.dialects` knows an API only as a `ChatDialect`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from assay.inference.endpoint.batch_dialect import BatchDialect
from assay.inference.endpoint.failures import CallFailure, FailureKind
from assay.inference.endpoint.rate_headers import RateHeaders
from assay.inference.endpoint.replies import Reply
from assay.inference.usage import TokenUsage


@dataclass(frozen=True, slots=True, kw_only=True)
class BodySettings:
    """What the bodies of many requests share.

    `parameters` are the task's, in the names of OpenAI's chat completions; a dialect translates them. `schema` is the
    JSON schema of the answer. `cache_key` is equal for requests that share a prefix, None where the provider takes none.
    """

    model: str
    parameters: Mapping[str, Any]
    schema_name: str
    schema: Mapping[str, Any]
    wants_logprobs: bool = False
    cache_key: str | None = None


class BodyWriter(Protocol):
    """Writes the bodies of requests with the same settings; called once a request, so it does no work twice."""

    def __call__(self, messages: bytes, *, predicted: str | None = None) -> bytes:
        """The JSON body of a request.

        `messages` is a JSON list of objects with `role` (system, user, assistant) and `content` (text). `predicted` is
        a text that the answer probably resembles; it changes only the latency, so an API without such a parameter omits it.
        """
        ...


@dataclass(frozen=True, slots=True)
class StatedError:
    """What the body of an error says; `kind` is None where the HTTP status decides."""

    message: str
    kind: FailureKind | None = None


class ChatDialect(ABC):
    """One chat API; it keeps no state, so that one instance serves every provider that speaks it."""

    name: ClassVar[str]

    @property
    def batches(self) -> BatchDialect | None:
        """The API's batches, None where it has none."""
        return None

    @abstractmethod
    def path(self, model: str) -> str:
        """What follows the provider's base URL, from the slash on; characters of the model are percent-encoded."""

    @abstractmethod
    def headers(self, api_key: str) -> Mapping[str, str]:
        """The headers that the API wants beside those of every JSON request, the key among them."""

    @abstractmethod
    def body_writer(self, settings: BodySettings) -> BodyWriter:
        """What writes the bodies of requests with these settings."""

    @abstractmethod
    def read_reply(
        self, content: Mapping[str, Any], limits: RateHeaders | None, *, is_strict: bool
    ) -> Reply | CallFailure:
        """The reply in the body of a successful response, or a server failure when it holds none; raises nothing.

        `is_strict` says that the JSON parser accepted nothing that cannot be written again, see `replies.writable`.
        """

    @abstractmethod
    def read_error(self, content: object) -> StatedError:
        """What the JSON body of an error says, whatever it is; raises nothing."""

    @abstractmethod
    def token_usage(self, usage: Mapping[str, Any] | None) -> TokenUsage | None:
        """The disjoint token classes of the API's usage object, None without counts."""
