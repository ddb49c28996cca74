"""Errors carry what code decides by: types, codes and fields. Their text is for people, and the advice is a part of its own."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from tests.architecture.source import modules

TEXT_METHODS = {
    *("splitlines", "split", "rsplit", "partition", "rpartition", "startswith", "endswith", "find", "index", "replace"),
    *("removeprefix", "removesuffix", "lower", "casefold", "search", "match", "fullmatch", "sub", "findall"),
}
READERS = {
    "assay/errors.py": "`foreign_text` puts what another program says on one line, to be shown",
    "assay/tasks/fields/patterns.py": "RE2 gives its message as bytes, and nothing else",
}
NO_VERBS = {"a", "the", "did"}
A_RUN = "run … "
"""A run and its id, no advice to run something."""


def test_no_code_reads_the_text_of_an_error() -> None:
    found = {module.name for module in modules("assay", "orchestration", "scripts") if any(readings(module.tree))}
    assert found == set(READERS)


def test_a_reading_of_a_text_is_recognised() -> None:
    for statement in (
        "if 'x' in str(error): pass",
        "first = str(error).splitlines()[0]",
        "text = str(error)\n    if text.startswith('x'): pass",
        "PATTERN.search(error.message)",
        "error.args = ()",
        "if str(error) == 'x': pass",
    ):
        assert list(readings(ast.parse(f"try: pass\nexcept ValueError as error:\n    {statement}"))), statement
    shown = "try: pass\nexcept ValueError as error:\n    raise UsageError(f'{error}') from error\n"
    assert list(readings(ast.parse(shown))) == []


def test_no_message_holds_the_advice() -> None:
    names = kinds()
    calls = [
        (module.name, node)
        for module in modules()
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in names
    ]
    verbs = {word for _, call in calls for step in next_steps(call) for word in text_of(step).split()[:1]}
    verbs = {word for word in verbs if word.isalpha()} - NO_VERBS
    assert len(verbs) > 20
    assert [
        f"{name}:{call.lineno} {clause}"
        for name, call in calls
        for argument in call.args[:1]
        for clause in re.split("[;:.] ", text_of(argument))[1:]
        if verbs & {word.casefold() for word in clause.split()[:1]} and not clause.startswith(A_RUN)
    ] == []


def kinds() -> set[str]:
    """The names of `AssayError` and of all classes made from it."""
    classes = [node for module in modules() for node in ast.walk(module.tree) if isinstance(node, ast.ClassDef)]
    found, before = {"AssayError"}, 0
    while len(found) > before:
        before = len(found)
        found |= {node.name for node in classes if found & {ast.unparse(base) for base in node.bases}}
    return found


def next_steps(call: ast.Call) -> list[ast.expr]:
    return [keyword.value for keyword in call.keywords if keyword.arg == "next_step"]


def text_of(node: ast.expr) -> str:
    """The literal parts of a text, an ellipsis for each value in it."""
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(text_of(part) if isinstance(part, ast.Constant) else "…" for part in node.values)
    return ""


def readings(tree: ast.AST) -> Iterator[ast.AST]:
    """The places where an exception's text is looked into; a name that an exception has anywhere in the file is one."""
    nodes = list(ast.walk(tree))
    errors = {node.name for node in nodes if isinstance(node, ast.ExceptHandler) and node.name}
    errors |= {
        node.arg for node in nodes if isinstance(node, ast.arg) and node.annotation and is_error(node.annotation)
    }
    texts = {
        target.id
        for node in nodes
        if isinstance(node, ast.Assign) and _is_text(node.value, errors, set())
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    yield from (node for node in nodes if _reads(node, errors, texts))


def _reads(node: ast.AST, errors: set[str], texts: set[str]) -> bool:
    if isinstance(node, ast.Attribute):
        return node.attr == "args" and _is_named(node.value, errors)
    if isinstance(node, ast.Compare):
        return any(_is_text(part, errors, texts) for part in (node.left, *node.comparators))
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in TEXT_METHODS:
        return any(_is_text(part, errors, texts) for part in (node.func.value, *node.args))
    return False


def is_error(annotation: ast.expr) -> bool:
    return any(ast.unparse(annotation).endswith(end) for end in ("Error", "Exception", "Unreachable", "Failed"))


def _is_text(node: ast.expr, errors: set[str], texts: set[str]) -> bool:
    if isinstance(node, ast.Call) and _is_named(node.func, {"str", "repr"}):
        return any(_is_named(argument, errors) for argument in node.args)
    if isinstance(node, ast.Attribute) and node.attr in {"message", "msg", "reason"}:
        return _is_named(node.value, errors)
    return _is_named(node, texts)


def _is_named(node: ast.expr, names: set[str]) -> bool:
    return isinstance(node, ast.Name) and node.id in names
