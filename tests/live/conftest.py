"""Live tests cost money, so they run only when they are asked for by name: `make test-live`."""

from __future__ import annotations

import pytest


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Without `-m live` the live tests are skipped, and the summary says so."""
    if "live" in config.option.markexpr:
        return
    for item in items:
        if item.get_closest_marker("live"):
            item.add_marker(pytest.mark.skip(reason="spends money in a real project; run it with `make test-live`"))
