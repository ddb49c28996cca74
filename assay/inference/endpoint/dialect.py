"""Interface to a chat API: the path, headers and body of a request, and the parsing of replies, usage and errors.

All code outside `assay.inference.dialects` uses an API only through `ChatDialect`.
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
    """Content that the bodies of many requests have in common.

    `parameters` are the task's, named as in OpenAI's chat completions; a dialect translates them. `schema` is the JSON
    schema of the response. `cache_key` is equal for requests with the same prefix, and None if the provider accepts no
    such key.
    """

    model: str
    parameters: Mapping[str, Any]
    schema_name: str
    schema: Mapping[str, Any]
    wants_logprobs: bool = False
    cache_key: str | None = None


class BodyWriter(Protocol):
    """Writes the bodies of requests with the same settings; called for every request, so it must be fast."""

    def __call__(self, messages: bytes, *, predicted: str | None = None) -> bytes:
        """The JSON body of a request.

        `messages` is a JSON list of objects with `role` (system, user, assistant) and `content` (text). `predicted` is
        text that the response probably resembles; it affects only the latency, so a dialect whose API has no such
        parameter ignores it.
        """
        ...


@dataclass(frozen=True, slots=True)
class StatedError:
    """The content of an error response; `kind` is None if the HTTP status determines the kind of failure."""

    message: str
    kind: FailureKind | None = None


class ChatDialect(ABC):
    """Request and response formats of one chat API; has no state, so that all its providers share one instance."""

    name: ClassVar[str]

    @property
    def batches(self) -> BatchDialect | None:
        """The dialect of the API's Batch API; None if it has none, or if Assay does not support it."""
        return None

    @abstractmethod
    def path(self, model: str) -> str:
        """The path that follows the provider's base URL, starting with a slash; the model name is percent-encoded."""

    @abstractmethod
    def headers(self, api_key: str) -> Mapping[str, str]:
        """The headers that the API requires in addition to those of any JSON request, including the API key."""

    @abstractmethod
    def body_writer(self, settings: BodySettings) -> BodyWriter:
        """Returns a function that writes the bodies of requests with these settings."""

    @abstractmethod
    def read_reply(
        self, content: Mapping[str, Any], limits: RateHeaders | None, *, is_strict: bool
    ) -> Reply | CallFailure:
        """The reply in the body of a successful response, or a server failure if it contains none; never raises.

        `is_strict` is True if the body was parsed strictly, so that all its values can be written as JSON again; see
        `replies.writable`.
        """

    @abstractmethod
    def read_error(self, content: object, *, status: int | None = None) -> StatedError:
        """The message and the kind of failure in the JSON body of an error response; never raises.

        `status` is the HTTP status, or the one that the body states; None if there is none.
        """

    @abstractmethod
    def token_usage(self, usage: Mapping[str, Any] | None) -> TokenUsage | None:
        """The token counts in the API's usage object, as disjoint classes; None without counts."""
