"""Endpoints that routes name: `providers.yml` at the project root.

Reading the file belongs here; speaking to an endpoint is the client's part.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, PositiveInt, ValidationError

from assay.errors import UsageError
from assay.settings import Settings
from assay.tasks.mistakes import Mistake, TaskInvalid, YamlDocument

PROVIDERS_FILE = "providers.yml"
NO_KEY = "none"


class _ProviderBlock(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    base_url: Annotated[str, Field(pattern=r"^https?://[^\s/]+")]
    api_key_env: str | None = None
    concurrency: PositiveInt = 8


@dataclass(frozen=True, slots=True)
class Provider:
    """One OpenAI-compatible endpoint; `concurrency` is the most calls in flight."""

    name: str
    base_url: str
    api_key_env: str | None
    concurrency: int

    def api_key(self, settings: Settings) -> str:
        """The key, or a filler for an endpoint that wants none.

        Raises:
            UsageError: the variable that holds the key is not set.
        """
        if self.api_key_env is None:
            return NO_KEY
        key = settings.api_keys.get(self.api_key_env)
        if not key:
            raise UsageError(
                f"Provider '{self.name}' ({PROVIDERS_FILE}) wants its key in {self.api_key_env}: expected that variable, found nothing; set it."
            )
        return key


def load_providers(settings: Settings) -> dict[str, Provider]:
    """All providers of the project by name.

    Raises:
        TaskInvalid: the file has mistakes.
    """
    document = YamlDocument(settings.root / PROVIDERS_FILE, shown_as=PROVIDERS_FILE)
    if document.mistakes:
        raise TaskInvalid(document.mistakes)
    if not isinstance(document.value, dict):
        raise UsageError(f"{PROVIDERS_FILE}:1: expected provider names with their base_url; found nothing")
    providers: dict[str, Provider] = {}
    mistakes: list[Mistake] = []
    for name, block in document.value.items():
        try:
            content = _ProviderBlock.model_validate(block)
        except ValidationError as error:
            mistakes += document.mistakes_of(error, under=[name])
            continue
        url = content.base_url.replace("{model_server_port}", str(settings.ports.model_server))
        providers[str(name)] = Provider(str(name), url.rstrip("/"), content.api_key_env, content.concurrency)
    if mistakes:
        raise TaskInvalid(mistakes)
    return providers
