"""Interface to a Batch API: writing a request into a file, reading a result, and the HTTP requests to the provider.

`assay.inference.batch` contains what all Batch APIs have in common: files of requests, retries and matching of results.
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
    """Identifies a line of a batch file: the place of its request in the run, and the id of its call."""

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
    """The custom id in `text`; None if Assay did not write it."""
    match = CUSTOM_ID.fullmatch(text) if isinstance(text, str) else None
    return CustomId(int(match[1]), int(match[2]), match[3]) if match else None


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderBatch:
    """A batch as described by the provider; times are the provider's, in UTC.

    `status` is the provider's value; `has_ended` is True if the batch has reached a final status.
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
    """One page of a provider's batches, newest first; `has_more` is None if the provider does not state it."""

    batches: Sequence[ProviderBatch]
    has_more: bool | None


class BatchCallFailed(Exception):
    """Raised if a request to a provider's Batch API failed."""

    def __init__(self, failure: CallFailure) -> None:
        super().__init__(failure.message)
        self.failure = failure


class BatchTransport(ABC):
    """Requests to one provider's Batch API; each method makes one attempt and raises `BatchCallFailed` if it fails."""

    @abstractmethod
    async def upload(self, path: Path, *, chunk_hash: str) -> str:
        """Uploads the file and returns the provider's id for it."""

    @abstractmethod
    async def create(self, file_id: str, *, chunk_hash: str, run_id: str) -> ProviderBatch:
        """Creates a batch from the uploaded file, with the chunk hash in its metadata."""

    @abstractmethod
    async def page(self, after: str | None) -> BatchPage:
        """The page of the provider's batches that follows batch `after`; the first page if `after` is None."""

    @abstractmethod
    async def retrieve(self, batch_id: str) -> ProviderBatch:
        """The current state of the batch."""

    @abstractmethod
    async def download(self, file_id: str, path: Path) -> None:
        """Downloads the provider's file completely to `path`."""

    @abstractmethod
    async def close(self) -> None:
        """Closes connections."""


class BatchDialect(ABC):
    """Formats of one Batch API: the lines of request files and of result files; has no state."""

    @abstractmethod
    def request_line(self, custom_id: CustomId, body: bytes) -> bytes:
        """The line of a request file that contains the request's JSON body, including the line break."""

    @abstractmethod
    def custom_id(self, line: Mapping[str, Any]) -> object:
        """The value in a line of a result file that identifies its request."""

    @abstractmethod
    def read_line(self, line: Mapping[str, Any]) -> Reply | CallFailure:
        """The reply or the failure in a line of a result file; a line that contains neither is a server failure."""

    @abstractmethod
    def connect(self, *, base_url: str, api_key: str) -> BatchTransport:
        """A transport for the provider at `base_url`; it connects when it is first used."""
