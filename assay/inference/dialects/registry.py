"""The available dialects, by their names in `providers.yml`."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from assay.inference.dialects.openai_chat import OpenAIChat
from assay.inference.endpoint.dialect import ChatDialect
from assay.tasks.spec import RouteSpec

DialectOf = Callable[[RouteSpec], ChatDialect]
"""Maps a route to the dialect of its provider."""

DIALECTS: Mapping[str, ChatDialect] = {dialect.name: dialect for dialect in (OpenAIChat(),)}
DEFAULT_DIALECT = DIALECTS[OpenAIChat.name]
