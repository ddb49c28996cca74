"""Endpoints that routes refer to, from `providers.yml` at the project root."""

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
from assay.tasks.issues import TaskValidationError, ValidationIssue, YamlDocument, shown

PROVIDERS_FILE = "providers.yml"
NO_KEY = "none"
MODEL_SERVER_PORT = "{model_server_port}"


class Limits(BaseModel):
    """Limits of one model: requests and tokens per minute, requests per day; None is learned at run time."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rpm: PositiveInt | None = None
    tpm: PositiveInt | None = None
    rpd: PositiveInt | None = None


class ModelLimits(Limits):
    """Limits of one model that differ from those of its provider."""

    concurrency: PositiveInt | None = None


class BatchLimits(BaseModel):
    """Batch API of a provider: maximum requests and bytes of one file, maximum open batches."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    # Limits of one OpenAI batch file, from the API reference of `input_file_id`.
    max_requests: Annotated[int, Field(ge=1, le=50_000)] = 50_000
    max_file_bytes: Annotated[int, Field(ge=1, le=200_000_000)] = 200_000_000
    max_open: PositiveInt | None = None


class _ProviderBlock(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    base_url: Annotated[str, Field(pattern=r"^https?://[^\s/?#]+[^\s?#]*$")]
    api_key_env: str | None = None
    dialect: str = DEFAULT_DIALECT.name
    # Enough for 300 calls a second at 200 ms; a rate limit holds a faster lane back by itself.
    concurrency: PositiveInt = 64
    limits: Limits = Limits()
    models: dict[str, ModelLimits] = {}
    batch: BatchLimits | None = None
    # Off by default, because an endpoint may reject a request with an unknown parameter.
    prompt_cache_key: bool = False

    @field_validator("base_url")
    @classmethod
    def _has_a_port_that_exists(cls, value: str) -> str:
        try:
            urlsplit(value.replace(MODEL_SERVER_PORT, "1")).port  # noqa: B018  read for the ValueError it raises
        except ValueError as error:
            raise ValueError("expected a port from 0 to 65535, or none") from error
        return value


@dataclass(frozen=True, slots=True)
class Provider:
    """One endpoint and the dialect it speaks; `concurrency` is the most calls in flight to one of its models.

    `limits` apply to each model separately, as providers count; `models` overrides them for single models.
    `prompt_cache_key`: the endpoint accepts that parameter, which routes requests with the same prefix to the same
    cache.
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
        """The limits of that model: its own values, otherwise the provider's."""
        own = self.models.get(model) or ModelLimits()
        return LaneLimits(
            rpm=own.rpm or self.limits.rpm,
            tpm=own.tpm or self.limits.tpm,
            rpd=own.rpd or self.limits.rpd,
            concurrency=own.concurrency or self.concurrency,
        )

    def api_key(self, settings: Settings) -> str:
        """The API key, or a filler for an endpoint without authentication.

        Raises:
            UsageError: the variable of the key is not set, or its value cannot be sent in an HTTP header.
        """
        if self.api_key_env is None:
            return NO_KEY
        key = settings.api_keys.get(self.api_key_env, "").strip()
        if not key:
            raise UsageError(
                f"Provider '{self.name}' ({PROVIDERS_FILE}) reads its key from {self.api_key_env}: expected that variable, found nothing",
                next_step="set it.",
            )
        if not (key.isascii() and key.isprintable()):
            raise UsageError(
                f"Provider '{self.name}' ({PROVIDERS_FILE}) reads its key from {self.api_key_env}: expected printable ASCII, "
                "found a character that no HTTP header can carry",
                next_step="set it again.",
            )
        return key


def load_providers(settings: Settings, *, dialects: Mapping[str, ChatDialect] = DIALECTS) -> dict[str, Provider]:
    """All providers of the project by name.

    Raises:
        TaskValidationError: the file has validation errors.
    """
    document = YamlDocument(settings.root / PROVIDERS_FILE, shown_as=PROVIDERS_FILE)
    if document.issues:
        raise TaskValidationError(document.issues)
    if not isinstance(document.value, dict):
        raise UsageError(f"{PROVIDERS_FILE}:1: expected provider names with their base_url; found nothing")
    providers: dict[str, Provider] = {}
    issues: list[ValidationIssue] = []
    for name, block in document.value.items():
        try:
            content = _ProviderBlock.model_validate(block)
        except ValidationError as error:
            issues += document.issues_of(error, under=[name])
            continue
        if unspoken := _unspoken(content, str(name), document, dialects):
            issues.append(unspoken)
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


def _unspoken(
    content: _ProviderBlock, name: str, document: YamlDocument, dialects: Mapping[str, ChatDialect]
) -> ValidationIssue | None:
    """What the block wants of a dialect that there is not, or that the dialect has not."""
    dialect = dialects.get(content.dialect)
    if dialect is None:
        expected = f"`{name}.dialect` to be one of {', '.join(dialects)}"
        return ValidationIssue(document.file, document.line([name, "dialect"]), expected, shown(content.dialect))
    if content.batch is not None and dialect.batches is None:
        expected = f"no `{name}.batch`, because Assay knows no Batch API of dialect {dialect.name}"
        return ValidationIssue(document.file, document.line([name, "batch"]), expected, "a block; remove it")
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneLimits:
    """Stated limits of a lane: per minute, per minute, per day (None: learned at run time), maximum in flight."""

    rpm: int | None = None
    tpm: int | None = None
    rpd: int | None = None
    concurrency: int = 64
