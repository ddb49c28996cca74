"""The call path from `assay eval` to the landed gate is as docs/architecture.md lists it: short, and downward only."""

from __future__ import annotations

import ast

import pytest

from tests.architecture.evaluation_path import PACKAGE, Step, listed
from tests.architecture.source import Module, modules

MOST_FILES, MOST_OF_ROBUSTNESS = 8, 5
STEPS = listed()
SOURCES = {module.name: module for module in modules(PACKAGE)}


def test_the_page_lists_at_most_eight_files_from_the_command_to_the_landed_gate() -> None:
    """Measuring robustness, which most evaluations do not, has a folder of its own beside them."""
    files = [step.file for step in STEPS]
    apart = [file for file in files if file.startswith(f"{PACKAGE}/robustness/")]
    assert files[0] == f"{PACKAGE}/evaluate.py"
    assert len(set(files)) == len(files) and 1 < len(files) - len(apart) <= MOST_FILES
    assert len(apart) <= MOST_OF_ROBUSTNESS


@pytest.mark.parametrize("place", range(len(STEPS)), ids=[step.file for step in STEPS])
def test_each_file_imports_only_later_ones(place: int) -> None:
    later = {step.file for step in STEPS[place + 1 :]}
    assert imported_by(SOURCES[STEPS[place].file]) <= later


def test_the_files_are_all_that_an_evaluation_reaches_in_its_package() -> None:
    reached, waiting = set[str](), [STEPS[0].file]
    while waiting:
        file = waiting.pop()
        if file not in reached:
            reached.add(file)
            waiting.extend(imported_by(SOURCES[file]))
    assert reached == {step.file for step in STEPS}


@pytest.mark.parametrize("step", [step for step in STEPS if step.result], ids=lambda step: step.file)
def test_each_step_has_its_function_and_its_frozen_type_in_its_file(step: Step) -> None:
    nodes = {
        node.name: node for node in SOURCES[step.file].tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)
    }
    decorators = [ast.unparse(decorator) for decorator in nodes[step.result].decorator_list]
    assert isinstance(nodes[step.function], ast.FunctionDef)
    assert "frozen=True" in "".join(decorators)


def test_evaluate_calls_every_step_once_and_outcomes_are_read_for_each_side() -> None:
    (evaluate,) = [node for node in SOURCES[STEPS[0].file].tree.body if _is_named(node, "evaluate")]
    by_number = [
        "evaluated_sides",
        "compare_sides",
        "measure_robustness",
        "gather_evidence",
        "decide",
        "land",
    ]
    assert [name for name in calls_of(evaluate) if name in {step.function for step in STEPS}] == by_number
    assert calls_of(SOURCES[f"{PACKAGE}/sides.py"].tree).count("read_outcomes") == 1


def imported_by(module: Module) -> set[str]:
    """Files of the package that the module imports anywhere in it, for types too."""
    names = {
        node.module
        for node in ast.walk(module.tree)
        if isinstance(node, ast.ImportFrom) and node.module is not None and node.module.startswith("assay.evaluation")
    }
    return {f"{name.replace('.', '/')}.py" for name in names}


def calls_of(tree: ast.AST) -> list[str]:
    """Names of the functions that are called, in the order of the text."""
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)]
    return [ast.unparse(call.func) for call in sorted(calls, key=lambda call: (call.lineno, call.col_offset))]


def _is_named(node: ast.stmt, name: str) -> bool:
    return isinstance(node, ast.FunctionDef) and node.name == name
