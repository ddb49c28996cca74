"""Reads the source for the tests of this folder: files, functions, and how deep they nest."""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.paths import ROOT

PACKAGES = ("assay", "orchestration")
NEW_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)
NESTS = (ast.If, ast.For, ast.AsyncFor, ast.While, ast.With, ast.AsyncWith, ast.Try, ast.TryStar, ast.Match)


@dataclass(frozen=True, slots=True)
class Module:
    """One parsed file; `name` is its path in the repository."""

    name: str
    text: str
    tree: ast.Module


@dataclass(frozen=True, slots=True)
class Function:
    """One function; `place` is file:line name, `lines` counts its body without the docstring."""

    place: str
    node: ast.FunctionDef | ast.AsyncFunctionDef
    lines: int
    nesting: int


def modules(*packages: str) -> list[Module]:
    """Every Python file of the packages, all of them when none is named."""
    paths = (path for package in packages or PACKAGES for path in sorted((ROOT / package).rglob("*.py")))
    return [_module(path) for path in paths]


def functions(module: Module) -> Iterator[Function]:
    """Every function of the module, inner ones too."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield Function(f"{module.name}:{node.lineno} {node.name}", node, _lines(node), _nesting(node.body))


@functools.cache
def _module(path: Path) -> Module:
    text = path.read_text(encoding="utf-8")
    return Module(path.relative_to(ROOT).as_posix(), text, ast.parse(text))


def _lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    body = node.body[1:] if ast.get_docstring(node) and len(node.body) > 1 else node.body
    return (body[-1].end_lineno or 0) - body[0].lineno + 1


def _nesting(nodes: list[ast.stmt]) -> int:
    return max((_depth(node) for node in nodes), default=0)


def _depth(node: ast.AST) -> int:
    if isinstance(node, NEW_SCOPES):
        return 0
    below = max((_depth(child) for child in _children(node)), default=0)
    return below + isinstance(node, NESTS)


def _children(node: ast.AST) -> Iterator[ast.AST]:
    """The parts of a node; an `elif` stands beside its `if`, not inside it."""
    for child in ast.iter_child_nodes(node):
        if isinstance(node, ast.If) and [child] == node.orelse and isinstance(child, ast.If):
            yield from _children(child)
        else:
            yield child
