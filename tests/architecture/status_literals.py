"""Finds statuses in source, SQL and dbt's tests, for the test that holds them to the enums."""

from __future__ import annotations

import ast
import re
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass

import yaml

from tests.architecture.source import ROOT, Module

SQL = re.compile(r"\bselect\b.*\bfrom\b", re.DOTALL)
COMPARED = re.compile(r"\b(\w+) (?:=|!=|in|not in) (\([^()@]*\)|'[^']*')")
NAMED = re.compile(r"('[^']*') as (\w+)")


def is_enum(node: ast.AST) -> bool:
    """True for the definition of a StrEnum."""
    return isinstance(node, ast.ClassDef) and any(isinstance(b, ast.Name) and b.id == "StrEnum" for b in node.bases)


def values_of_enums(*sources: Module) -> dict[str, frozenset[str]]:
    """The values of every StrEnum that the modules define, by the enum's name."""
    return {
        node.name: frozenset(str(entry.value.value) for entry in node.body if _is_member(entry))
        for module in sources
        for node in ast.walk(module.tree)
        if isinstance(node, ast.ClassDef) and is_enum(node)
    }


def names_of_fields(sources: Iterable[Module], enums: Container[str]) -> frozenset[str]:
    """Names of the fields of classes that are annotated by one of the enums."""
    classes = (node for module in sources for node in ast.walk(module.tree) if isinstance(node, ast.ClassDef))
    fields = (entry for node in classes for entry in node.body if isinstance(entry, ast.AnnAssign))
    typed = (field for field in fields if ast.unparse(field.annotation).removesuffix(" | None") in enums)
    return frozenset(field.target.id for field in typed if isinstance(field.target, ast.Name))


@dataclass(frozen=True, slots=True)
class StatusFinder:
    """Finds status literals: any of `words`, and any text in a place that one of `names` says is a status."""

    words: frozenset[str]
    names: frozenset[str]

    def literals(self, module: Module) -> Iterator[tuple[str, int]]:
        """Every status literal of the module, with its line."""
        skipped = {id(inner) for node in ast.walk(module.tree) for inner in _no_literals(node)}
        stated = {id(inner) for node in ast.walk(module.tree) for inner in _stated(node, self.names)}
        for node in ast.walk(module.tree):
            if not isinstance(node, ast.Constant) or not isinstance(node.value, str) or id(node) in skipped:
                continue
            if id(node) in stated or node.value in self.words:
                yield node.value, node.lineno


def statements(sources: Iterable[Module]) -> Iterator[str]:
    """Every SQL text of the modules."""
    for module in sources:
        for node in ast.walk(module.tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and SQL.search(node.value):
                yield " ".join(node.value.split())


def statuses_in_sql(text: str, columns: Container[str]) -> Iterator[tuple[str, str]]:
    """Those columns with each literal that the statement compares them with, or names so."""
    stated = [(column, listed) for column, listed in COMPARED.findall(text)]
    stated += [(column, listed) for listed, column in NAMED.findall(text)]
    for column, listed in stated:
        if column in columns:
            yield from ((column, word) for word in re.findall(r"'([^']*)'", listed))


def accepted_values() -> Iterator[tuple[str, frozenset[str]]]:
    """Columns of models that hold statuses, each with the values that its dbt test accepts."""
    for path in sorted((ROOT / "dbt_project" / "models").rglob("*.yml")):
        for model in yaml.safe_load(path.read_text(encoding="utf-8")).get("models") or []:
            for column in model.get("columns") or []:
                yield from _accepted(column)


def _accepted(column: Mapping[str, object]) -> Iterator[tuple[str, frozenset[str]]]:
    tests = column.get("data_tests")
    for test in tests if isinstance(tests, list) else []:
        if isinstance(test, dict) and "accepted_values" in test:
            yield str(column["name"]), frozenset(test["accepted_values"]["arguments"]["values"])


def _is_member(entry: ast.stmt) -> bool:
    return isinstance(entry, ast.Assign) and isinstance(entry.value, ast.Constant)


def _no_literals(node: ast.AST) -> Iterator[ast.AST]:
    """Parts of the node that hold no status of their own: enums, docstrings, keys of rows, parts of longer texts."""
    if isinstance(node, ast.ClassDef) and is_enum(node):
        yield from ast.walk(node)
    elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        yield node.value
    elif isinstance(node, ast.Subscript) and not (isinstance(node.value, ast.Name) and node.value.id == "Literal"):
        yield node.slice
    elif isinstance(node, ast.JoinedStr):
        yield from node.values


def _stated(node: ast.AST, names: frozenset[str]) -> Iterator[ast.AST]:
    """Parts of the node that are a status because of the name that they are compared with, given to or kept under."""
    if isinstance(node, ast.Compare):
        sides = [node.left, *node.comparators]
        if any(_name(side) in names for side in sides):
            yield from (inner for side in sides for inner in _values(side))
    elif isinstance(node, ast.keyword) and node.arg in names:
        yield from _values(node.value)
    elif isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        if any(_name(target) in names for target in targets):
            yield from _values(node.value)
    elif isinstance(node, ast.Dict):
        for key, value in zip(node.keys, node.values, strict=True):
            if isinstance(key, ast.Constant) and key.value in names:
                yield from _values(value)
    elif isinstance(node, ast.arguments):
        yield from _defaults(node, names)


def _defaults(node: ast.arguments, names: frozenset[str]) -> Iterator[ast.AST]:
    positional = [*node.posonlyargs, *node.args]
    last = positional[len(positional) - len(node.defaults) :]
    for argument, default in [
        *zip(last, node.defaults, strict=True),
        *zip(node.kwonlyargs, node.kw_defaults, strict=True),
    ]:
        if argument.arg in names and default is not None:
            yield from _values(default)


def _name(node: ast.expr) -> str | None:
    """The last name of an attribute, a variable or a key."""
    if isinstance(node, ast.Attribute):
        return node.attr
    if isinstance(node, ast.Name):
        return node.id
    is_key = isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant)
    return str(node.slice.value) if is_key else None


def _values(node: ast.expr) -> Iterator[ast.AST]:
    """The text that the expression may be, or holds."""
    if isinstance(node, ast.Constant):
        yield node
    elif isinstance(node, ast.IfExp):
        yield from [*_values(node.body), *_values(node.orelse)]
    elif isinstance(node, ast.BoolOp):
        yield from (inner for value in node.values for inner in _values(value))
    elif isinstance(node, ast.Tuple | ast.List | ast.Set):
        yield from (inner for entry in node.elts for inner in _values(entry))
