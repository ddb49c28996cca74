"""What the engine and the orchestration import is declared in `pyproject.toml`, not merely brought by something else."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.metadata import distribution, packages_distributions

from tests.architecture.source import PACKAGES, ROOT, Module, modules

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
NAME = re.compile(r"[\w.-]+")
LOCAL = "assay/local/"
"""The local stack is a group of its own; everything else may import what users install."""


def test_every_import_is_of_a_declared_distribution() -> None:
    undeclared = {
        (module.name, name)
        for module in modules()
        for name in third_party(module)
        if not distributions_of(name) & declared(module.name)
    }
    assert sorted(undeclared) == []


def test_an_import_that_another_package_brings_is_noticed() -> None:
    assert distributions_of("google.cloud.bigquery.Client") == {"google-cloud-bigquery"}
    assert distributions_of("google.api_core.retry.Retry") == {"google-api-core"}
    assert distributions_of("yaml") == {"pyyaml"}
    assert not distributions_of("markupsafe.Markup") & declared("assay/local/stack.py")
    assert not distributions_of("bqemulator") & declared("assay/runs/run.py")


def declared(file: str) -> set[str]:
    """The distributions that the file may import: the project's and its extras, in the local stack that group as well."""
    groups = [PROJECT["project"]["dependencies"], *PROJECT["project"]["optional-dependencies"].values()]
    if file.startswith(LOCAL):
        groups.append(PROJECT["dependency-groups"]["local"])
    return {normal(found[0]) for group in groups for found in map(NAME.match, group) if found}


def third_party(module: Module) -> Iterator[str]:
    """The full names that the module imports from elsewhere than Python and this repository."""
    for node in ast.walk(module.tree):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        yield from (name for name in names if name.split(".")[0] not in {*sys.stdlib_module_names, *PACKAGES})


@cache
def distributions_of(name: str) -> set[str]:
    """The distributions that have the module or name; of those that share a namespace, the ones with the longest path."""
    parts = name.split(".")
    found = set(packages().get(parts[0], ()))
    for length in range(2, len(parts) + 1):
        if len(found) > 1:
            found = {one for one in found if "/".join(parts[:length]) in paths_of(one)} or found
    return {normal(one) for one in found}


@cache
def packages() -> Mapping[str, list[str]]:
    """The distributions of each top-level package."""
    return packages_distributions()


@cache
def paths_of(name: str) -> set[str]:
    """Every folder and every module of the distribution, as a path without a suffix."""
    files = [file for file in distribution(name).files or () if file.suffix == ".py"]
    return {path.as_posix() for file in files for path in (file.with_suffix(""), *file.parents)}


def normal(name: str) -> str:
    """The name as PEP 503 compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()
