"""What a judge sees of an answer: masked fields of the input, of the answer and of the expected answer, by name.

Choosing the parts belongs here; how they are fenced in is `judge_prompts.py`'s matter.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from pydantic import BaseModel

from assay.guards.keys import keyed_hash
from assay.inference.dialects.registry import DEFAULT_DIALECT, DialectOf
from assay.inference.endpoint.dialect import BodySettings, BodyWriter
from assay.inference.prompts import Message, most_tokens
from assay.inference.request import Request
from assay.tasks.judge_spec import SeesSpec
from assay.tasks.output_model import strict_schema
from assay.tasks.rubric import DEFAULT_PROMPT, MATERIAL, Rubric, shipped_text
from assay.tasks.spec import RouteSpec
from assay.tasks.templates import compiled


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedMaterial:
    """One answer as it may be shown: masked, as it landed; `output` is None where there is none."""

    status: str
    fields: Mapping[str, str]
    output: Mapping[str, Any] | None
    expected: Mapping[str, Any] | None


class NothingToJudge(Exception):
    """The answer, or what it is to be held against, is not there; the text is the reason."""


def material(sees: SeesSpec, exhibit: JudgedMaterial) -> dict[str, str]:
    """The parts of the material, by the names that the judge reads, in the order in which they are shown.

    Raises:
        NothingToJudge: there is no answer, or no reference.
    """
    if exhibit.output is None:
        raise NothingToJudge(f"no output: {exhibit.status}")
    return {**context(sees, exhibit), **dict(answer(sees, exhibit.output, name="answer"))}


def context(sees: SeesSpec, exhibit: JudgedMaterial) -> dict[str, str]:
    """What an answer is judged by: input, sources and reference.

    Raises:
        NothingToJudge: a reference is asked for and the record has none.
    """
    asked = sees.input if sees.input is not None else [name for name in exhibit.fields if name not in sees.sources]
    parts = {f"input {name}": exhibit.fields.get(name, "") for name in asked}
    parts |= {f"source {name}": exhibit.fields.get(name, "") for name in sees.sources}
    expected = exhibit.expected or {}
    known = [name for name in sees.reference if expected.get(name) is not None]
    if sees.reference and not known:
        raise NothingToJudge(f"no reference: the record has no expected {', '.join(sees.reference)}")
    return parts | {f"reference {name}": as_shown(expected[name]) for name in known}


def answer(sees: SeesSpec, output: Mapping[str, Any], *, name: str) -> Iterator[tuple[str, str]]:
    """The parts of one answer, called `name`."""
    for field in sees.output if sees.output is not None else output:
        yield f"{name} {field}", as_shown(output.get(field))


def as_shown(value: Any) -> str:
    """Text as it is, anything else as JSON."""
    return value if isinstance(value, str) else orjson.dumps(value).decode()


FENCE_CHARACTERS = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgePrompt:
    """What all requests of a judge share: the system's words, the shape of an answer, its name, what is judged."""

    system: str
    model: type[BaseModel]
    name: str
    judged: str
    parameters: Mapping[str, Any]


def judge_prompt(name: str, rubric: Rubric, *, model: type[BaseModel], parameters: Mapping[str, Any]) -> JudgePrompt:
    """One answer is judged by the rubric."""
    return JudgePrompt(
        system=rubric_words(rubric, rubric.prompt or shipped_text(DEFAULT_PROMPT)),
        model=model,
        name=name,
        judged="the answer",
        parameters=parameters,
    )


def rubric_words(rubric: Rubric, template: str) -> str:
    """The template with the rubric put in."""
    return compiled(template).render(
        criterion=rubric.criterion,
        question=rubric.question,
        guidance=rubric.guidance.strip(),
        anchors=rubric.anchors,
    )


class JudgePrompts:
    """The requests of one judge; see `Prompts`. The fields of a request are the parts of its material, by name."""

    def __init__(
        self, asked: JudgePrompt, *, hash_key: bytes, dialect_of: DialectOf = lambda _: DEFAULT_DIALECT
    ) -> None:
        self.max_tokens = most_tokens(asked.parameters)
        self._asked = asked
        self._hash_key = hash_key
        self._material = compiled(shipped_text(MATERIAL))
        self._dialect_of = dialect_of
        self._writers: dict[tuple[str, str], BodyWriter] = {}

    def messages(self, fields: Mapping[str, str], *, history: Sequence[Mapping[str, str]] = ()) -> list[Message]:
        """The rubric, then the material; the rubric comes first, so that providers may keep it as a common prefix."""
        parts = [{"name": name, "text": text} for name, text in fields.items()]
        material = self._material.render(
            fence=fence_of(fields, hash_key=self._hash_key), parts=parts, judged=self._asked.judged
        )
        return [{"role": "system", "content": self._asked.system}, {"role": "user", "content": material}]

    def body(self, messages: bytes, route: RouteSpec, request: Request) -> bytes:
        """See `Prompts.body`."""
        writer = self._writers.get((route.provider, route.model)) or self._writer(route)
        return writer(messages)

    def _writer(self, route: RouteSpec) -> BodyWriter:
        settings = BodySettings(
            model=route.model,
            parameters=self._asked.parameters,
            schema_name=self._asked.name,
            schema=strict_schema(self._asked.model),
        )
        writer = self._writers[route.provider, route.model] = self._dialect_of(route).body_writer(settings)
        return writer


def fence_of(parts: Mapping[str, str], *, hash_key: bytes, digest: Callable[..., str] = keyed_hash) -> str:
    """A mark that stands in none of the parts: who wrote them cannot know it, and the same parts have the same one.

    That it is the same lets an exact cache recognise a question; it hangs on a secret and on every part.
    """
    texts, attempt = [*parts, *parts.values()], 0
    while True:
        fence = digest(hash_key, "judge fence", str(attempt), *texts)[:FENCE_CHARACTERS]
        if not any(fence in text for text in texts):
            return fence
        attempt += 1
