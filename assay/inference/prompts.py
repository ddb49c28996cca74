"""Renders a record into the messages and the body of a request."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, Protocol

from assay.inference.dialects.registry import DEFAULT_DIALECT, DialectOf
from assay.inference.endpoint.dialect import BodySettings, BodyWriter
from assay.inference.request import Request
from assay.tasks.case import Case
from assay.tasks.spec import RouteSpec
from assay.tasks.task import Task
from assay.tasks.templates import EXAMPLES_VARIABLE, PREDICTION, reads, renderer

Message = dict[str, str]


class PromptFailed(Exception):
    """Raised if a template cannot be rendered with a record; the message names the template and the reason."""


Mask = Callable[[Mapping[str, str]], Mapping[str, str]]
PrefixKey = Callable[[RouteSpec, str], str | None]
"""Maps a route and a tenant to the `prompt_cache_key` of their requests; None if the provider accepts no such key."""
WRITERS_KEPT = 10_000

REPAIR_CHARACTERS = 20_000
"""Maximum number of characters of an invalid response that a repair quotes."""

REPAIR = (
    "That answer does not follow the schema: {error}. Give the corrected answer as one JSON object and nothing else."
)


class Prompts(Protocol):
    """Messages and body of a request; `max_tokens` is the output limit that the body states, None if it states none."""

    max_tokens: int | None

    def messages(self, fields: Mapping[str, str], *, history: Sequence[Mapping[str, str]] = ()) -> list[Message]:
        """The messages of a request with these (masked) fields.

        Raises:
            PromptFailed: a template cannot be rendered with the fields.
        """
        ...

    def body(self, messages: bytes, route: RouteSpec, request: Request) -> bytes:
        """The JSON body of the request; `messages` is already encoded as JSON."""
        ...


class PromptRenderer:
    """Renders the prompts of one task; content equal for all records is rendered once. `mask` is applied to examples."""

    def __init__(
        self,
        task: Task,
        *,
        mask: Mask,
        prefix_key: PrefixKey = lambda *_: None,
        dialect_of: DialectOf = lambda _: DEFAULT_DIALECT,
    ) -> None:
        self._task = task
        self._dialect_of = dialect_of
        self._examples = [_masked_example(case, mask) for case in task.few_shot]
        self._prefix_key = prefix_key
        self.parameters: Mapping[str, Any] = dict(task.spec.parameters)
        self.max_tokens = max_output_tokens(self.parameters)
        self._renders = {role: self._render(role, text, task) for role, text in task.templates.items()}
        self._predict = self._renders.pop(PREDICTION, None)
        self._writers: dict[tuple[str, str], BodyWriter] = {}

    def messages(self, fields: Mapping[str, str], *, history: Sequence[Mapping[str, str]] = ()) -> list[Message]:
        """The system message, the turns of the history and the user message for one record's (masked) fields.

        Raises:
            PromptFailed: a template cannot be rendered with the fields.
        """
        context = {**fields, EXAMPLES_VARIABLE: self._examples}
        messages = [{"role": role, "content": render(context)} for role, render in self._renders.items()]
        return [*messages[:-1], *map(dict, history), messages[-1]] if history else messages

    def body(self, messages: bytes, route: RouteSpec, request: Request) -> bytes:
        """The JSON body of the request; `messages` is already encoded as JSON.

        Raises:
            PromptFailed: the template of the predicted output cannot be rendered with the record's fields.
        """
        write = self._writers.get((route.name, request.tenant_id)) or self._writer(route, request.tenant_id)
        if self._predict is None or not route.predicted_output:
            return write(messages)
        return write(messages, predicted=self._predict({**request.fields, EXAMPLES_VARIABLE: self._examples}))

    def _writer(self, route: RouteSpec, tenant_id: str) -> BodyWriter:
        """A new writer of the bodies of a tenant's requests on the route, in the dialect of the route's provider."""
        settings = BodySettings(
            model=route.model,
            parameters=self.parameters,
            schema_name=self._task.name,
            schema=dict(self._task.output_schema),
            wants_logprobs=route.needs_logprobs,
            cache_key=self._prefix_key(route, tenant_id),
        )
        if len(self._writers) >= WRITERS_KEPT:  # the number of tenants is unbounded
            self._writers.clear()
        writer = self._writers[route.name, tenant_id] = self._dialect_of(route).body_writer(settings)
        return writer

    def _render(self, role: str, text: str, task: Task) -> Callable[[Mapping[str, Any]], str]:
        rendered = renderer(text)

        def render(context: Mapping[str, Any]) -> str:
            try:
                return rendered(context)
            except Exception as error:
                raise PromptFailed(f"the {role} template: {type(error).__name__}: {error}") from error

        if reads(text) & task.spec.input.fields.keys():
            return render
        same = lru_cache(maxsize=1)(lambda: render({EXAMPLES_VARIABLE: self._examples}))
        return lambda _: same()


def max_output_tokens(parameters: Mapping[str, Any]) -> int | None:
    """Maximum number of output tokens according to the task's parameters; None if they state none."""
    stated = parameters.get("max_completion_tokens") or parameters.get("max_tokens")
    return None if stated is None else int(stated)


def repair_messages(messages: list[Message], *, answer: str, error: str) -> list[Message]:
    """The messages followed by the invalid response and its validation error."""
    return [
        *messages,
        {"role": "assistant", "content": answer[:REPAIR_CHARACTERS]},
        {"role": "user", "content": REPAIR.format(error=error)},
    ]


def _masked_example(case: Case, mask: Mask) -> dict[str, Any]:
    """The example with its input and expected output masked together, so that both use the same placeholders."""
    example = {"input": dict(case.input), "expected": case.expected}
    masked = mask({f"{number:06}": text for number, text in enumerate(_texts(example))})
    replaced: dict[str, Any] = _with_texts(example, iter([masked[name] for name in sorted(masked)]))
    return replaced


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping | list):
        for item in value.values() if isinstance(value, Mapping) else value:
            yield from _texts(item)


def _with_texts(value: Any, texts: Iterator[str]) -> Any:
    if isinstance(value, str):
        return next(texts)
    if isinstance(value, Mapping):
        return {name: _with_texts(item, texts) for name, item in value.items()}
    return [_with_texts(item, texts) for item in value] if isinstance(value, list) else value
