"""Dagster's internal names are imported in one module, and exist in the version that is installed."""

from __future__ import annotations

import ast
import importlib.util
import re
from collections.abc import Iterator
from importlib import import_module

from assay.local.dagster_parts import DAEMON_MODULE
from tests.architecture.source import ROOT, Module, modules

ALIASES = "orchestration/dagster_internals.py"
STARTS_THE_DAEMON = "assay/local/dagster_parts.py"
"""Names the daemon's module in a command line; `assay` imports nothing of Dagster."""
INTERNAL = re.compile(r"dagster\w*\.\w[\w.]*")
"""A module within a package of Dagster: what is public is in the package itself."""


def test_every_internal_name_that_is_imported_exists() -> None:
    (aliases,) = [module for module in modules("orchestration") if module.name == ALIASES]
    imported = list(internal_imports(aliases))

    assert len(imported) == 6
    assert [name for name in imported if not hasattr(import_module(name[0]), name[1])] == []


def test_the_daemon_is_a_module_that_runs() -> None:
    assert importlib.util.find_spec(f"{DAEMON_MODULE}.__main__") is not None


def test_no_other_module_imports_an_internal_name() -> None:
    found = {module.name for module in modules() for _ in internal_imports(module)}
    assert found == {ALIASES}


def test_no_other_module_names_an_internal_module() -> None:
    named = {module.name for module in modules() if re.search(r"dagster\w*\._", module.text)}
    assert named == {ALIASES, STARTS_THE_DAEMON}
    assert (ROOT / STARTS_THE_DAEMON).read_text("utf-8").count("dagster._") == 1


def internal_imports(module: Module) -> Iterator[tuple[str, str]]:
    """Modules within Dagster's packages with what is imported of them; private names of the packages themselves."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, "__name__") for alias in node.names if INTERNAL.fullmatch(alias.name))
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("dagster"):
            names = [alias.name for alias in node.names]
            is_internal = INTERNAL.fullmatch(node.module or "") is not None
            yield from ((str(node.module), name) for name in names if is_internal or name.startswith("_"))
