"""The fixtures of folders that run whole runs: one emulator a folder, a model endpoint and a project a test."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from assay.settings import Settings
from assay.warehouse.client import Warehouse
from assay.warehouse.migrate import migrate
from tests.emulator import PROJECT, Endpoints, running_emulator
from tests.end_to_end.workplace import Workplace
from tests.fakes.model_endpoint import ModelEndpoint


@pytest.fixture(scope="session")
def endpoints(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoints]:
    """An emulator with the landing tables of dev."""
    with running_emulator(tmp_path_factory.mktemp("emulator")) as found:
        migrate_dev(found)
        yield found


@pytest.fixture
def model() -> Iterator[ModelEndpoint]:
    """An endpoint that answers well until a test tells it otherwise."""
    with ModelEndpoint() as endpoint:
        yield endpoint


@pytest.fixture
def place(tmp_path: Path, endpoints: Endpoints, model: ModelEndpoint) -> Workplace:
    """A project without a task."""
    return Workplace(tmp_path / "project", endpoints, model)


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    """A task's name of this test's own, so that tests share a warehouse without meeting."""
    return re.sub(r"\W+", "_", request.node.name.removeprefix("test_").lower())[:60].strip("_")


def migrate_dev(endpoints: Endpoints) -> None:
    """The landing tables of dev are there."""
    settings = Settings(
        root=Path("nowhere"),
        project=PROJECT,
        bigquery_endpoint=endpoints.rest,
        bigquery_grpc_endpoint=endpoints.grpc,
        local_token=endpoints.token,
    )
    migrate(Warehouse(settings), report=lambda _: None)
