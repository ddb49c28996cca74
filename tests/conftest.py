"""How tests are shared out among the processes of `pytest -n`: by file, the longest first."""

from __future__ import annotations

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from tests import redis_server
from tests.skips import pytest_addoption, pytest_runtest_makereport

__all__ = ["pytest_addoption", "pytest_runtest_makereport"]

DEAR = {"tests/dbt": "tests/dbt", "tests/oracles_assay": "tests/dbt"}
"""Folders that stay in one process: two minutes of built marts, and one start of the GoogleSQL analyzer for both."""
FIRST = (
    "tests/dbt",
    "tests/orchestration/test_marts.py",
    "tests/orchestration/test_scale_out.py",
    "tests/labels/page/test_page.py",
    "tests/end_to_end/test_crashes.py",
    "tests/runs/batches/test_crashes.py",
    "tests/ci/test_evals.py",
    "tests/evaluation/test_evaluate.py",
    "tests/scoring/judges/test_judge_stage.py",
    "tests/cli/test_crash.py",
)
"""The units of a quarter of a minute and more: begun last, one of them would be waited for."""


def unit_of(nodeid: str) -> str:
    """What is run by one process, in the order of its tests: the file, or the folder whose set-up is dear."""
    file = nodeid.split("::", 1)[0]
    return next((unit for folder, unit in DEAR.items() if file.startswith(f"{folder}/")), file)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest units come first; tests of a Redis are skipped where there is none."""
    if redis_server.BINARY is None:
        missing = pytest.mark.skip(reason="redis-server is not installed (apt-get install redis-server)")
        for item in items:
            if item.get_closest_marker("redis"):
                item.add_marker(missing)
    rank = {unit: place for place, unit in enumerate(FIRST)}
    items.sort(key=lambda item: rank.get(unit_of(item.nodeid), len(FIRST)))


class UnitScheduling(LoadScopeScheduling):
    """Hands a free process the next unit."""

    def _split_scope(self, nodeid: str) -> str:
        return unit_of(nodeid)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadScopeScheduling:
    """Units are begun in the order of collection; xdist would begin those of many tests, the quickest."""
    config.option.loadscopereorder = False
    return UnitScheduling(config, log)
