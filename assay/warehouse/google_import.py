"""Imports Google's client libraries without what they load beside themselves for notebooks and data frames.

They try pandas, tqdm with IPython, and more, whether these are asked for or not: over half of their start, and nothing
here uses it. What a process has loaded already it keeps, and what it imports later is whole.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

OPTIONAL = ("pandas", "pandas_gbq", "geopandas", "shapely", "tqdm", "IPython", "fastavro")


@cache
def load_google() -> None:
    """The client libraries are loaded; asked again, nothing happens."""
    with _without(OPTIONAL):
        import google.cloud.bigquery
        import google.cloud.bigquery_storage_v1  # noqa: F401


@contextmanager
def _without(names: tuple[str, ...]) -> Iterator[None]:
    """Importing one of the modules fails inside the block, as if it were not installed, unless it is loaded."""
    absent = [name for name in names if name not in sys.modules]
    sys.modules.update(dict.fromkeys(absent))  # type: ignore[arg-type]  # None is how Python marks a module as absent
    try:
        yield
    finally:
        for name in absent:
            if sys.modules.get(name) is None:
                sys.modules.pop(name, None)
