"""Which dialects there are, by the names that `providers.yml` uses."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from assay.inference.dialects.openai_chat import OpenAIChat
from assay.inference.endpoint.dialect import ChatDialect
from assay.tasks.spec import RouteSpec

DialectOf = Callable[[RouteSpec], ChatDialect]
"""The dialect that the provider of a route speaks."""

DIALECTS: Mapping[str, ChatDialect] = {dialect.name: dialect for dialect in (OpenAIChat(),)}
DEFAULT_DIALECT = DIALECTS[OpenAIChat.name]
