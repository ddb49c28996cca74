"""The seam to an API's batches: how a request is written into a file, how a result is read, how a provider is spoken to.

What is the same for every API is in `assay.inference.batch`: files of requests, retries, finding results.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from assay.inference.endpoint.failures import CallFailure
from assay.inference.endpoint.replies import Reply
from assay.records.keys import RequestPlace

CALL_SECONDS = 60.0
FILE_SECONDS = 900.0
CUSTOM_ID = re.compile(r"(\d{1,18})\.(\d{1,9})\.([0-9a-f]{1,64})", re.ASCII)


@dataclass(frozen=True, slots=True)
class CustomId:
    """The name of a line: which request of the run it is, and the id of its call."""

    position: int
    epoch: int
    call_id: str

    @property
    def place(self) -> RequestPlace:
        """The request's place in the run."""
        return RequestPlace(self.position, self.epoch)

    def __str__(self) -> str:
        return f"{self.position}.{self.epoch}.{self.call_id}"


def read_custom_id(text: object) -> CustomId | None:
    """The name of a line, None when it is none of ours."""
    match = CUSTOM_ID.fullmatch(text) if isinstance(text, str) else None
    return CustomId(int(match[1]), int(match[2]), match[3]) if match else None


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderBatch:
    """A batch as the provider describes it; times are the provider's, in UTC.

    `status` is the provider's value; `has_ended` is true when the provider will not change the batch any more.
    """

    batch_id: str
    status: str
    has_ended: bool
    chunk_hash: str | None
    created_at: datetime
    input_file_id: str | None = None
    output_file_id: str | None = None
    error_file_id: str | None = None
    ended_at: datetime | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class BatchPage:
    """Some of a provider's batches, newest first; `has_more` is None where the provider does not say."""

    batches: Sequence[ProviderBatch]
    has_more: bool | None


class BatchCallFailed(Exception):
    """One request to a provider's batches went wrong."""

    def __init__(self, failure: CallFailure) -> None:
        super().__init__(failure.message)
        self.failure = failure


class BatchTransport(ABC):
    """One provider's batches over the network; each method is one try and raises `BatchCallFailed` where it fails."""

    @abstractmethod
    async def upload(self, path: Path, *, chunk_hash: str) -> str:
        """The id under which the provider has the file."""

    @abstractmethod
    async def create(self, file_id: str, *, chunk_hash: str, run_id: str) -> ProviderBatch:
        """A batch of the file that carries the chunk hash."""

    @abstractmethod
    async def page(self, after: str | None) -> BatchPage:
        """The provider's batches that follow the batch `after`, from the newest on where it is None."""

    @abstractmethod
    async def retrieve(self, batch_id: str) -> ProviderBatch:
        """The batch as it stands now."""

    @abstractmethod
    async def download(self, file_id: str, path: Path) -> None:
        """The provider's file is at `path`, whole."""

    @abstractmethod
    async def close(self) -> None:
        """Connections are released."""


class BatchDialect(ABC):
    """How one API takes and gives back the requests of a batch; it keeps no state."""

    @abstractmethod
    def request_line(self, custom_id: CustomId, body: bytes) -> bytes:
        """The line of a file around a request's JSON body, with its end."""

    @abstractmethod
    def custom_id(self, line: Mapping[str, Any]) -> object:
        """What a line of the results says that its request is called."""

    @abstractmethod
    def read_line(self, line: Mapping[str, Any]) -> Reply | CallFailure:
        """What one line says of its request; a line with neither an answer nor an error is a server failure."""

    @abstractmethod
    def connect(self, *, base_url: str, api_key: str) -> BatchTransport:
        """The provider at that address; nothing is connected yet."""
