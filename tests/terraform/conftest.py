"""The offline provider, a workspace per test and one plan for all tests that only read it."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.terraform import provider_rules
from tests.terraform.extract_schema import TARGET
from tests.terraform.offline_provider import OfflineProvider
from tests.terraform.workspace import VARIABLES, Workspace, bare_environment, copy_configuration, install_real_provider


@pytest.fixture(scope="session")
def schema_document() -> dict[str, Any]:
    document: dict[str, Any] = json.loads(TARGET.read_text("utf-8"))
    return document


@pytest.fixture(scope="session")
def terraform() -> None:
    if shutil.which("terraform") is None:
        pytest.skip("there is no terraform binary on PATH; install Terraform 1.9 or newer to run this test")


@pytest.fixture(scope="session")
def offline_environment(terraform: None, schema_document: dict[str, Any]) -> Iterator[dict[str, str]]:
    with OfflineProvider(schema_document, checks=[provider_rules.check]) as provider:
        yield {**bare_environment(), **provider.environment()}


@pytest.fixture(scope="session")
def make_workspace(offline_environment: dict[str, str]) -> Callable[[Path], Workspace]:
    def make(root: Path) -> Workspace:
        copy_configuration(root)
        workspace = Workspace(root, offline_environment)
        workspace.run("init", "-input=false", "-no-color")
        return workspace

    return make


@pytest.fixture
def workspace(make_workspace: Callable[[Path], Workspace], tmp_path: Path) -> Workspace:
    return make_workspace(tmp_path)


@pytest.fixture(scope="session")
def plan(make_workspace: Callable[[Path], Workspace], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return make_workspace(tmp_path_factory.mktemp("plan")).plan(VARIABLES)


@pytest.fixture(scope="session")
def planned(plan: dict[str, Any]) -> dict[str, dict[str, dict[str, Any]]]:
    """Resource type to address to planned values."""
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for resource in plan["planned_values"]["root_module"]["resources"]:
        found.setdefault(resource["type"], {})[resource["address"]] = resource["values"]
    return found


@pytest.fixture(scope="session")
def real_workspace(terraform: None, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    root = tmp_path_factory.mktemp("real")
    copy_configuration(root)
    reason = install_real_provider(root, os.environ)
    if reason:
        pytest.skip(f"checked with the offline provider only; the real Google provider cannot be had: {reason}")
    return Workspace(root, {**os.environ, "CHECKPOINT_DISABLE": "1"})
