"""Prompts of a judge: the rubric, and the masked fields of input, prediction and expected value that it judges."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from pydantic import BaseModel

from assay.guards.keys import keyed_hash
from assay.inference.dialects.registry import DEFAULT_DIALECT, DialectOf
from assay.inference.endpoint.dialect import BodySettings, BodyWriter
from assay.inference.prompts import Message, max_output_tokens
from assay.inference.request import Request
from assay.tasks.judge_spec import SeesSpec
from assay.tasks.output_model import strict_schema
from assay.tasks.rubric import DEFAULT_PROMPT, MATERIAL, Rubric, shipped_text
from assay.tasks.spec import RouteSpec
from assay.tasks.templates import compiled

FENCE_CHARACTERS = 24


class NothingToJudge(Exception):
    """The prediction has no output, or the record has no reference; the message is the reason."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedMaterial:
    """One prediction with its record, masked as landed; `output` is None if the prediction has no output."""

    status: str
    fields: Mapping[str, str]
    output: Mapping[str, Any] | None
    expected: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgePrompt:
    """The parts shared by all requests to a judge.

    `system` is the system message, `model` and `name` are the Pydantic class and name of the response schema, and
    `judged` is the phrase in the user message for what is judged, for example "the answer".
    """

    system: str
    model: type[BaseModel]
    name: str
    judged: str
    parameters: Mapping[str, Any]


class JudgePrompts:
    """Renders the requests of one judge; see `Prompts`. The fields of a request are the named parts of its material."""

    def __init__(
        self, prompt: JudgePrompt, *, hash_key: bytes, dialect_of: DialectOf = lambda _: DEFAULT_DIALECT
    ) -> None:
        self.max_tokens = max_output_tokens(prompt.parameters)
        self._prompt = prompt
        self._hash_key = hash_key
        self._material = compiled(shipped_text(MATERIAL))
        self._dialect_of = dialect_of
        self._writers: dict[tuple[str, str], BodyWriter] = {}

    def messages(self, fields: Mapping[str, str], *, history: Sequence[Mapping[str, str]] = ()) -> list[Message]:
        """The rubric, then the material; the rubric comes first so that providers can cache it as a common prefix."""
        parts = [{"name": name, "text": text} for name, text in fields.items()]
        material = self._material.render(
            fence=fence_of(fields, hash_key=self._hash_key), parts=parts, judged=self._prompt.judged
        )
        return [{"role": "system", "content": self._prompt.system}, {"role": "user", "content": material}]

    def body(self, messages: bytes, route: RouteSpec, request: Request) -> bytes:
        """See `Prompts.body`."""
        writer = self._writers.get((route.provider, route.model)) or self._writer(route)
        return writer(messages)

    def _writer(self, route: RouteSpec) -> BodyWriter:
        settings = BodySettings(
            model=route.model,
            parameters=self._prompt.parameters,
            schema_name=self._prompt.name,
            schema=strict_schema(self._prompt.model),
        )
        writer = self._writers[route.provider, route.model] = self._dialect_of(route).body_writer(settings)
        return writer


def judge_prompt(name: str, rubric: Rubric, *, model: type[BaseModel], parameters: Mapping[str, Any]) -> JudgePrompt:
    """The prompt that judges one prediction according to the rubric."""
    return JudgePrompt(
        system=render_rubric(rubric, rubric.prompt or shipped_text(DEFAULT_PROMPT)),
        model=model,
        name=name,
        judged="the answer",
        parameters=parameters,
    )


def render_rubric(rubric: Rubric, template: str) -> str:
    """Returns the template rendered with the rubric."""
    return compiled(template).render(
        criterion=rubric.criterion,
        question=rubric.question,
        guidance=rubric.guidance.strip(),
        anchors=rubric.anchors,
    )


def material(sees: SeesSpec, judged: JudgedMaterial) -> dict[str, str]:
    """Returns the texts shown to a judge, by name, in the order of the prompt.

    Raises:
        NothingToJudge: the prediction has no output, or the record no reference.
    """
    if judged.output is None:
        raise NothingToJudge(f"no output: {judged.status}")
    return {**context(sees, judged), **dict(output_parts(sees, judged.output, name="answer"))}


def context(sees: SeesSpec, judged: JudgedMaterial) -> dict[str, str]:
    """Returns the texts with which an output is compared: input, sources and reference.

    Raises:
        NothingToJudge: the judge needs a reference and the record has none.
    """
    inputs = sees.input if sees.input is not None else [name for name in judged.fields if name not in sees.sources]
    parts = {f"input {name}": judged.fields.get(name, "") for name in inputs}
    parts |= {f"source {name}": judged.fields.get(name, "") for name in sees.sources}
    expected = judged.expected or {}
    known = [name for name in sees.reference if expected.get(name) is not None]
    if sees.reference and not known:
        raise NothingToJudge(f"no reference: the record has no expected {', '.join(sees.reference)}")
    return parts | {f"reference {name}": _as_text(expected[name]) for name in known}


def output_parts(sees: SeesSpec, output: Mapping[str, Any], *, name: str) -> Iterator[tuple[str, str]]:
    """Yields the fields of one output as texts, each named after `name` and its field."""
    for field in sees.output if sees.output is not None else output:
        yield f"{name} {field}", _as_text(output.get(field))


def fence_of(parts: Mapping[str, str], *, hash_key: bytes, digest: Callable[..., str] = keyed_hash) -> str:
    """Returns a delimiter that occurs in none of the parts.

    It is a keyed hash of all parts. Authors of the material cannot guess it, and equal material has the same delimiter,
    so that the exact cache recognizes a repeated request.
    """
    texts, attempt = [*parts, *parts.values()], 0
    while True:
        fence = digest(hash_key, "judge fence", str(attempt), *texts)[:FENCE_CHARACTERS]
        if not any(fence in text for text in texts):
            return fence
        attempt += 1


def _as_text(value: Any) -> str:
    """Returns strings unchanged and other values as JSON."""
    return value if isinstance(value, str) else orjson.dumps(value).decode()
