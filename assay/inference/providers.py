"""Reads `providers.yml` in the project's root folder: the model endpoints that routes refer to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, PositiveInt, ValidationError, field_validator

from assay.errors import UsageError
from assay.inference.dialects.registry import DEFAULT_DIALECT, DIALECTS
from assay.inference.endpoint.dialect import ChatDialect
from assay.settings import Settings
from assay.settings.endpoints import url_issue
from assay.settings.proxies import is_loopback
from assay.tasks.issues import TaskValidationError, ValidationIssue, YamlDocument, shown

PROVIDERS_FILE = "providers.yml"
NO_KEY = "none"
MODEL_SERVER_PORT = "{model_server_port}"


class Limits(BaseModel):
    """Limits of one model: requests and tokens per minute, requests per day; None if learned at run time."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rpm: PositiveInt | None = None
    tpm: PositiveInt | None = None
    rpd: PositiveInt | None = None


class ModelLimits(Limits):
    """Limits of one model that differ from those of its provider."""

    concurrency: PositiveInt | None = None


class BatchLimits(BaseModel):
    """Limits of a provider's Batch API: requests and bytes per file, and number of open batches."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    # Limits of one OpenAI batch file, from the API reference of `input_file_id`.
    max_requests: Annotated[int, Field(ge=1, le=50_000)] = 50_000
    max_file_bytes: Annotated[int, Field(ge=1, le=200_000_000)] = 200_000_000
    max_open: PositiveInt | None = None


class _ProviderBlock(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    base_url: str
    api_key_env: str | None = None
    dialect: str = DEFAULT_DIALECT.name
    # Enough for 300 calls per second at a latency of 200 ms; the provider's rate limits bound a faster lane.
    concurrency: PositiveInt = 64
    limits: Limits = Limits()
    models: dict[str, ModelLimits] = {}
    batch: BatchLimits | None = None
    # Off by default, because an endpoint may reject a request with an unknown parameter.
    prompt_cache_key: bool = False

    @field_validator("base_url")
    @classmethod
    def _is_url(cls, value: str) -> str:
        if issue := url_issue(value.replace(MODEL_SERVER_PORT, "1")):
            raise ValueError(f"expected {issue}")
        return value


@dataclass(frozen=True, slots=True)
class Provider:
    """One endpoint and its dialect; `concurrency` is the maximum number of calls in flight to one of its models.

    `limits` apply to each model separately, as providers count them; `models` overrides them for individual models.
    `prompt_cache_key` is True if the endpoint accepts the parameter of that name, which routes requests with the same
    prefix to the same cache.
    """

    name: str
    base_url: str
    api_key_env: str | None
    concurrency: int
    limits: Limits = field(default_factory=Limits)
    models: Mapping[str, ModelLimits] = field(default_factory=dict)
    batch: BatchLimits | None = None
    prompt_cache_key: bool = False
    dialect: ChatDialect = DEFAULT_DIALECT

    def lane_limits(self, model: str) -> LaneLimits:
        """The limits of the model: its own values, otherwise the provider's."""
        own = self.models.get(model) or ModelLimits()
        return LaneLimits(
            rpm=own.rpm or self.limits.rpm,
            tpm=own.tpm or self.limits.tpm,
            rpd=own.rpd or self.limits.rpd,
            concurrency=own.concurrency or self.concurrency,
        )

    def api_key(self, settings: Settings) -> str:
        """The API key: for the local stack's model server its token, for an endpoint without one a dummy value.

        Raises:
            UsageError: the key's environment variable is not set, or its value cannot be sent in an HTTP header.
        """
        if self.api_key_env is None:
            return (settings.local_token if self._is_model_server(settings) else "") or NO_KEY
        key = settings.api_keys.get(self.api_key_env, "").strip()
        if not key:
            raise UsageError(
                f"{self.api_key_env} is not set; it holds the API key of provider '{self.name}' ({PROVIDERS_FILE})",
                next_step="set it in the environment.",
            )
        if not (key.isascii() and key.isprintable()):
            raise UsageError(
                f"{self.api_key_env}, the API key of provider '{self.name}' ({PROVIDERS_FILE}), contains a character that is not "
                "printable ASCII and cannot be sent in an HTTP header",
                next_step="copy the key again.",
            )
        return key

    def _is_model_server(self, settings: Settings) -> bool:
        return is_loopback(self.base_url) and urlsplit(self.base_url).port == settings.ports.model_server


def load_providers(settings: Settings, *, dialects: Mapping[str, ChatDialect] = DIALECTS) -> dict[str, Provider]:
    """The providers in `providers.yml`, by name.

    Raises:
        TaskValidationError: the file has validation errors.
        UsageError: the file does not map provider names to their settings.
    """
    document = YamlDocument(settings.root / PROVIDERS_FILE, shown_as=PROVIDERS_FILE)
    if document.issues:
        raise TaskValidationError(document.issues)
    if not isinstance(document.value, dict):
        raise UsageError(
            f"{PROVIDERS_FILE}:1: the file does not map provider names to their settings",
            next_step="add a provider with its base_url.",
        )
    providers: dict[str, Provider] = {}
    issues: list[ValidationIssue] = []
    for name, block in document.value.items():
        try:
            content = _ProviderBlock.model_validate(block)
        except ValidationError as error:
            issues += document.issues_of(error, under=[name])
            continue
        if issue := _dialect_issue(content, str(name), document, dialects):
            issues.append(issue)
            continue
        url = content.base_url.replace(MODEL_SERVER_PORT, str(settings.ports.model_server))
        providers[str(name)] = Provider(
            name=str(name),
            base_url=url.rstrip("/"),
            api_key_env=content.api_key_env,
            concurrency=content.concurrency,
            limits=content.limits,
            models=content.models,
            batch=content.batch,
            prompt_cache_key=content.prompt_cache_key,
            dialect=dialects[content.dialect],
        )
    if issues:
        raise TaskValidationError(issues)
    return providers


def _dialect_issue(
    content: _ProviderBlock, name: str, document: YamlDocument, dialects: Mapping[str, ChatDialect]
) -> ValidationIssue | None:
    """The issue if the dialect is unknown, or has no Batch API although the provider declares `batch`."""
    dialect = dialects.get(content.dialect)
    if dialect is None:
        expected = f"`{name}.dialect` to be one of {', '.join(dialects)}"
        return ValidationIssue(document.file, document.line([name, "dialect"]), expected, shown(content.dialect))
    if content.batch is not None and dialect.batches is None:
        expected = f"no `{name}.batch`, because Assay does not support a Batch API for dialect {dialect.name}"
        return ValidationIssue(document.file, document.line([name, "batch"]), expected, "one", "remove it")
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneLimits:
    """Stated limits of a lane: requests and tokens per minute, requests per day, and maximum number of calls in flight.

    A rate limit is None if it is learned at run time.
    """

    rpm: int | None = None
    tpm: int | None = None
    rpd: int | None = None
    concurrency: int = 64
