"""One concept, one word: the wording table over messages, help, docstrings, comments, docs, descriptions and names."""

from __future__ import annotations

import ast
import io
import re
import tokenize
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from tests.architecture.source import ROOT

TABLE = Path(__file__).with_name("wording.toml")
PYTHON = ("assay", "orchestration", "scripts", "tasks")
PROSE = ("README.md", "docs", "dbt_project", "terraform", "tasks", "assay", ".github", "notebooks")
SUFFIXES = {".md", ".yml", ".yaml", ".sql", ".json", ".tf", ".j2", ".html", ".toml", ".js", ".ipynb"}
GENERATED = {"target", "logs", "dbt_packages", ".terraform", "node_modules"}
DATA = re.compile(r"tasks/[^/]+/(?!task\.yml|prompts|scaffold)|prices\.yml$|\.jsonl$|\.csv$")
"""Cases and samples are users' data; prices are names of models."""


@dataclass(frozen=True, slots=True)
class Rule:
    """What is written instead of what the pattern finds."""

    say: str
    pattern: re.Pattern[str]
    names: bool
    allowed: tuple[Allowance, ...]


@dataclass(frozen=True, slots=True)
class Allowance:
    """A text that matches and is right, in the files whose path matches."""

    text: re.Pattern[str]
    path: re.Pattern[str]
    reason: str

    def covers(self, place: str, line: str) -> bool:
        """True for this line of this file."""
        return bool(self.path.search(place) and self.text.search(line))


@dataclass(frozen=True, slots=True)
class Text:
    """A piece of text and where it stands; `is_name` for an identifier, its words apart."""

    place: str
    text: str
    is_name: bool = False


@cache
def rules() -> tuple[Rule, ...]:
    """The table."""
    table = tomllib.loads(TABLE.read_text("utf-8"))["rule"]
    return tuple(
        Rule(
            say=rule["say"],
            pattern=re.compile("|".join(rule["not"]), re.IGNORECASE),
            names=rule.get("names", False),
            allowed=tuple(
                Allowance(
                    re.compile(one["text"], re.IGNORECASE), re.compile(one.get("path", "")), one.get("reason", "")
                )
                for one in rule.get("allow", ())
            ),
        )
        for rule in table
    )


@cache
def texts() -> tuple[Text, ...]:
    """Everything that people read."""
    return (*_python_texts(), *_prose_texts())


def hits(rule: Rule, pieces: tuple[Text, ...]) -> list[str]:
    """Where the rule is broken."""
    return [
        f"{piece.place}: {match[0]!r} in {line.strip()[:100]!r}"
        for piece in pieces
        if rule.names or not piece.is_name
        for line in piece.text.splitlines()
        for match in rule.pattern.finditer(line)
        if not any(allowance.covers(piece.place, line) for allowance in rule.allowed)
    ]


@pytest.mark.parametrize("rule", rules(), ids=[rule.say for rule in rules()])
def test_text_uses_the_words_of_the_table(rule: Rule) -> None:
    found = hits(rule, texts())
    assert found == [], f"{len(found)} places; write: {rule.say}"


def test_every_exception_is_still_needed_and_has_a_reason() -> None:
    exceptions = [(rule, allowance) for rule in rules() for allowance in rule.allowed]
    unneeded = [
        allowance.text.pattern
        for rule, allowance in exceptions
        if not any(
            allowance.covers(piece.place, line) and rule.pattern.search(line)
            for piece in texts()
            for line in piece.text.splitlines()
        )
    ]
    assert unneeded == []
    assert [allowance.text.pattern for _, allowance in exceptions if not allowance.reason.strip()] == []


def test_the_table_finds_a_word_that_is_planted() -> None:
    planted = (Text("planted.py:1", "The row is stopped at the door."), Text("planted.py:2", "is told", is_name=True))
    assert sum(len(hits(rule, planted)) for rule in rules()) >= 2


def _python_texts() -> Iterator[Text]:
    for folder in PYTHON:
        for path in sorted((ROOT / folder).rglob("*.py")):
            name, source = path.relative_to(ROOT).as_posix(), path.read_text("utf-8")
            yield from _strings_and_names(name, ast.parse(source))
            for token in tokenize.generate_tokens(io.StringIO(source).readline):
                if token.type == tokenize.COMMENT:
                    yield Text(f"{name}:{token.start[0]}", token.string)


def _strings_and_names(name: str, tree: ast.Module) -> Iterator[Text]:
    for node in ast.walk(tree):
        place = f"{name}:{getattr(node, 'lineno', 0)}"
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield Text(place, node.value)
        for identifier in _names_of(node):
            yield Text(place, re.sub(r"_|(?<=[a-z0-9])(?=[A-Z])", " ", identifier), is_name=True)


def _names_of(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        yield node.name
    elif isinstance(node, ast.arg):
        yield node.arg
    elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
        yield node.id


def _prose_texts() -> Iterator[Text]:
    for place in PROSE:
        start = ROOT / place
        for path in [start] if start.is_file() else sorted(start.rglob("*")):
            name = path.relative_to(ROOT).as_posix()
            if path.suffix not in SUFFIXES or GENERATED & set(path.parts) or DATA.search(name) or not path.is_file():
                continue
            for number, line in enumerate(path.read_text("utf-8").splitlines(), start=1):
                yield Text(f"{name}:{number}", line)
