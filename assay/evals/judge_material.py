"""What a judge sees of an answer: masked fields of the input, of the answer and of the expected answer, by name.

Choosing the parts belongs here; how they are fenced in is `judge_prompts.py`'s matter.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from assay.tasks.judge_spec import SeesSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Exhibit:
    """One answer as it may be shown: masked, as it landed; `output` is None where there is none."""

    status: str
    fields: Mapping[str, str]
    output: Mapping[str, Any] | None
    expected: Mapping[str, Any] | None


class NothingToJudge(Exception):
    """The answer, or what it is to be held against, is not there; the text is the reason."""


def material(sees: SeesSpec, exhibit: Exhibit) -> dict[str, str]:
    """The parts of the material, by the names that the judge reads, in the order in which they are shown.

    Raises:
        NothingToJudge: there is no answer, or no reference.
    """
    if exhibit.output is None:
        raise NothingToJudge(f"no output: {exhibit.status}")
    return {**context(sees, exhibit), **dict(answer(sees, exhibit.output, name="answer"))}


def context(sees: SeesSpec, exhibit: Exhibit) -> dict[str, str]:
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
