"""Keys are named tuples, so that a part of one is read by its name: no bare tuple is a key, no text is joined to one."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest

from assay.records.keys import ClusterKey, InputKey, PredictionKey, RecordKey, RequestPlace
from tests.architecture.source import Module, modules

CONTAINERS = frozenset({"dict", "Mapping", "set", "frozenset", "Counter", "defaultdict"})
PRIVATE = {
    "assay/calibration/label_set.py": "groups of one function, sorted by their keys",
    "assay/guards/masking.py": "what one mask has given out, by kind and value",
    "assay/inference/caches/keys.py": "parts of hashes that are made once, looked up for every request",
    "assay/inference/calls.py": "prices that are looked up once, for every call",
    "assay/inference/prices.py": "prices that are looked up once, for every call",
    "assay/inference/prompts.py": "parts of bodies that are made once, looked up for every request",
    "assay/inputs/expectations.py": "groups of one function, by the values of a row",
    "assay/scoring/judges/prompts.py": "parts of bodies that are made once, looked up for every request",
    "assay/runs/batches/submission.py": "files under way and prices, by lane",
    "assay/tasks/golden.py": "what one function has seen",
    "assay/tasks/issues.py": "errors that one function groups by the value that they concern",
}
"""Files whose tuples stay within one function or are looked up too often for a name, with the reason."""


def bare_keys(module: Module) -> Iterator[int]:
    """Lines that make a bare tuple a key, or join one to a text."""
    for node in ast.walk(module.tree):
        if _holds_tuples(node) or _joins(node):
            yield node.lineno  # type: ignore[attr-defined]


def test_no_bare_tuple_is_a_key() -> None:
    found = {module.name: line for module in modules() for line in bare_keys(module)}
    assert found.keys() - PRIVATE.keys() == {"assay/records/keys.py"}
    assert PRIVATE.keys() - found.keys() == set()


@pytest.mark.parametrize(
    "code",
    ["found: dict[tuple[str, str], int] = {}", "def f(by: Mapping[tuple[str, int], str]): ...", 'key = "\\0".join(k)'],
)
def test_a_planted_bare_key_is_found(code: str) -> None:
    assert list(bare_keys(Module("assay/planted.py", code, ast.parse(code)))) == [1]


def test_keys_sort_and_hash_as_their_parts() -> None:
    keys = [RecordKey("b", "1"), RecordKey("a", "2"), RecordKey("a", "1")]
    assert sorted(keys) == [("a", "1"), ("a", "2"), ("b", "1")] == sorted(keys, key=lambda key: key.text)
    assert {RequestPlace(3, 0): "known"}[RequestPlace(3, 0)] == "known"
    assert InputKey("a", "1", "hash").record == RecordKey("a", "1") == PredictionKey("a", "1", 0)[:2]


def test_the_text_of_a_key_stays_as_it_is() -> None:
    assert RecordKey("tenant", "record").text == ClusterKey("tenant", "record").text == "tenant\0record"


def _holds_tuples(node: ast.AST) -> bool:
    if not isinstance(node, ast.Subscript) or not isinstance(node.value, ast.Name) or node.value.id not in CONTAINERS:
        return False
    first = node.slice.elts[0] if isinstance(node.slice, ast.Tuple) else node.slice
    return isinstance(first, ast.Subscript) and isinstance(first.value, ast.Name) and first.value.id == "tuple"


def _joins(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "join"
        and isinstance(node.func.value, ast.Constant)
        and node.func.value.value == "\0"
    )
