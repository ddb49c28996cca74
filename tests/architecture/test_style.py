"""The budgets and habits that every file of the engine and of the orchestration keeps."""

from __future__ import annotations

import ast
import re
from collections import Counter

from tests.architecture.source import ROOT, functions, modules

PARAMETERS = 5
ANY = re.compile(r"\bAny\b")
FUNCTION_LINES, FILE_LINES, NESTING, ASSET_LINES, FOLDER_FILES = 40, 400, 3, 25, 20
READS_ENVIRONMENT = {"environ", "getenv", "environb", "getenvb"}
SQL = re.compile(r"\s*(select|insert|update|delete|merge|create|drop|with)\s", re.IGNORECASE)
TARGETS = {"install", "check", "test", "test-fast", "verify", "demo", "test-live", "benchmark", "clean"}


def test_every_file_says_what_belongs_there() -> None:
    assert [module.name for module in modules() if not ast.get_docstring(module.tree)] == []


def test_no_file_is_longer_than_400_lines() -> None:
    assert [module.name for module in modules() if len(module.text.splitlines()) > FILE_LINES] == []


def test_no_function_is_longer_than_40_lines() -> None:
    assert [f.place for module in modules() for f in functions(module) if f.lines > FUNCTION_LINES] == []


def test_no_function_nests_deeper_than_three_blocks() -> None:
    assert [f.place for module in modules() for f in functions(module) if f.nesting > NESTING] == []


def test_no_asset_body_is_longer_than_25_lines() -> None:
    assets = [f for module in modules("orchestration") for f in functions(module) if is_asset(f.node)]
    assert len(assets) == 7
    assert [asset.place for asset in assets if asset.lines > ASSET_LINES] == []


def test_only_settings_reads_the_environment() -> None:
    readers = {
        module.name
        for module in modules()
        for node in ast.walk(module.tree)
        if (isinstance(node, ast.Attribute) and node.attr in READS_ENVIRONMENT)
        or (isinstance(node, ast.ImportFrom) and node.module == "os" and _names(node) & READS_ENVIRONMENT)
    }
    assert readers == {"assay/settings/__init__.py"}


def test_every_option_of_a_command_is_a_parameter_with_a_type() -> None:
    commands = list(modules("assay/cli"))
    starred = [f.place for module in commands for f in functions(module) if f.node.args.kwarg or f.node.args.vararg]
    assert starred == []
    typed = [f for module in commands for f in functions(module) if is_command(f.node)]
    assert len(typed) > 15
    assert [
        f.place for f in typed if any(ANY.search(ast.unparse(a.annotation or a)) for a in _parameters(f.node))
    ] == []


def test_a_function_beneath_a_command_takes_five_parameters_at_most() -> None:
    beneath = [f for module in modules("assay/cli") for f in functions(module) if not is_command(f.node)]
    assert [f.place for f in beneath if len(_parameters(f.node)) > PARAMETERS] == []


def test_no_statement_is_put_together_from_strings() -> None:
    formatted = [
        module.name
        for module in modules()
        for node in ast.walk(module.tree)
        if isinstance(node, ast.JoinedStr) and _starts_as_sql(node)
    ]
    # A task's input may be a table, whose name cannot be a parameter; a pattern holds it first.
    assert formatted == ["assay/inputs/sources.py"]


def test_makefile_has_the_targets_that_the_documents_name() -> None:
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert set(re.findall(r"^([a-z-]+):", text, re.MULTILINE)) >= TARGETS


def is_asset(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """True for a function that Dagster makes assets of."""
    return any("asset" in ast.unparse(decorator).split("(")[0] for decorator in node.decorator_list)


def is_command(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """True for a function that click calls with an argument for each option."""
    return any(re.search(r"\b(command|group)\b", ast.unparse(decorator)) for decorator in node.decorator_list)


def _parameters(node: ast.FunctionDef | ast.AsyncFunctionDef) -> list[ast.arg]:
    return [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]


def _names(node: ast.ImportFrom) -> set[str]:
    return {alias.name for alias in node.names}


def _starts_as_sql(node: ast.JoinedStr) -> bool:
    first = node.values[0] if node.values else None
    return isinstance(first, ast.Constant) and SQL.match(str(first.value)) is not None


def test_no_folder_holds_more_than_20_python_files() -> None:
    paths = (path for place in ("assay", "orchestration", "tests") for path in (ROOT / place).rglob("*.py"))
    folders = Counter(path.parent for path in paths)
    assert [f"{folder.relative_to(ROOT)}: {count}" for folder, count in folders.items() if count > FOLDER_FILES] == []


def test_a_public_class_name_is_defined_once() -> None:
    places: dict[str, list[str]] = {}
    for module in modules("assay"):
        if "scaffold" in module.name:  # a new task's own model, not the engine's
            continue
        for node in module.tree.body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places.setdefault(node.name, []).append(module.name)
    assert {name: found for name, found in places.items() if len(found) > 1} == {}
