"""One emulator for the folder, with the landing tables made by `migrate`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from assay.settings import Settings
from assay.warehouse.client import Warehouse
from assay.warehouse.migrate import migrate
from tests.emulator import PROJECT, Endpoints, running_emulator


@pytest.fixture(scope="session")
def endpoints(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoints]:
    with running_emulator(tmp_path_factory.mktemp("emulator")) as found:
        yield found


@pytest.fixture(scope="session")
def settings(endpoints: Endpoints) -> Settings:
    return Settings(
        root=Path("nowhere"),
        project=PROJECT,
        bigquery_endpoint=endpoints.rest,
        bigquery_grpc_endpoint=endpoints.grpc,
        local_token=endpoints.token,
        hash_key=b"k" * 32,
    )


@pytest.fixture(scope="session")
def warehouse(settings: Settings) -> Warehouse:
    """The dev environment, migrated."""
    made = Warehouse(settings)
    migrate(made, report=lambda _: None)
    return made


@pytest.fixture(scope="session")
def bare(settings: Settings) -> Warehouse:
    """The staging environment of the same project: nothing is made there but by the tests."""
    return Warehouse(replace(settings, env="staging"))
