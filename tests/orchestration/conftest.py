"""One emulator and one parse of dbt's project for the tests of this folder; each test has a project of its own."""

from __future__ import annotations

import os
import shutil
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

with warnings.catch_warnings():
    # What these libraries warn about while they are imported is theirs.
    warnings.simplefilter("ignore")
    import dagster as dg
    import dagster_dbt  # noqa: F401

from assay.settings import Settings
from orchestration.marts import manifest
from tests.architecture.source import ROOT
from tests.emulator import Endpoints, running_emulator
from tests.end_to_end.stage import migrate_dev
from tests.end_to_end.workplace import Workplace
from tests.fakes.model_endpoint import ModelEndpoint
from tests.orchestration.daily import Daily

NOBODY_LISTENS = Endpoints(rest="http://127.0.0.1:9", grpc="127.0.0.1:9", pid=0)


@pytest.fixture(scope="session")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoints]:
    with running_emulator(tmp_path_factory.mktemp("emulator")) as endpoints:
        migrate_dev(endpoints)
        yield endpoints


@pytest.fixture(scope="session")
def parsed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the dbt project and its manifest, parsed with no warehouse in reach."""
    root: Path = tmp_path_factory.mktemp("parsed")
    written = shutil.ignore_patterns("target", "logs", ".user.yml")
    shutil.copytree(ROOT / "dbt_project", root / "dbt_project", ignore=written)
    manifest(Settings(root=root, bigquery_endpoint=NOBODY_LISTENS.rest))
    return root


@pytest.fixture
def model() -> Iterator[ModelEndpoint]:
    with ModelEndpoint() as endpoint:
        yield endpoint


@pytest.fixture
def daily(tmp_path: Path, parsed: Path, emulator: Endpoints, model: ModelEndpoint) -> Daily:
    """A project whose tasks can be materialised."""
    return Daily(with_dbt(Workplace(tmp_path, emulator, model), parsed), dg.DagsterInstance.ephemeral(str(tmp_path)))


@pytest.fixture
def away(tmp_path: Path, parsed: Path, model: ModelEndpoint) -> Workplace:
    """A project whose warehouse does not answer: enough for whatever happens before a run."""
    return with_dbt(Workplace(tmp_path, NOBODY_LISTENS, model), parsed)


@pytest.fixture(autouse=True)
def environment() -> Iterator[None]:
    """Definitions state their settings in the environment; the next test starts without them."""
    before = dict(os.environ)
    yield
    os.environ.clear()
    os.environ.update(before)


def with_dbt(workplace: Workplace, parsed: Path) -> Workplace:
    """The project has the models, already parsed."""
    shutil.copytree(parsed, workplace.root, dirs_exist_ok=True)
    return workplace
