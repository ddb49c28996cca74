"""Imports Google's client libraries without what they load beside themselves for notebooks, data frames and downloads.

They try pandas, tqdm with IPython, the Storage API's reader and more, whether these are asked for or not: most of their
start, and nothing here uses it. What a process has loaded already it keeps, and what it imports later is whole. Where other
people's code shares the process, which may ask the same libraries for data frames, they are loaded whole.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from threading import RLock, get_ident
from types import ModuleType

OPTIONAL = ("pandas", "pandas_gbq", "geopandas", "shapely", "tqdm", "IPython", "fastavro", "chardet", "db_dtypes")
OPTIONAL_OF_QUERIES = (*OPTIONAL, "pyarrow", "google.cloud.bigquery_storage", "google.cloud.bigquery_storage_v1")
"""Rows of a result are read as JSON, page by page; Arrow and the Storage API are for whoever downloads tables."""
SHARED_WITH = ("dagster", "IPython")
LOADING = RLock()


@cache
def load_queries() -> None:
    """The client library of queries is loaded; asked again, nothing happens."""
    with without(OPTIONAL_OF_QUERIES):
        import google.cloud.bigquery  # noqa: F401


@cache
def load_writes() -> None:
    """The client library of the Storage Write API is loaded; asked again, nothing happens."""
    with without(OPTIONAL):
        import google.cloud.bigquery_storage_v1  # noqa: F401


@contextmanager
def without(names: tuple[str, ...]) -> Iterator[None]:
    """Importing one of the modules fails for this thread inside the block, as if it were not installed, unless loaded.

    Nor is what the block makes looked through for garbage again and again: modules stay.
    """
    if any(host in sys.modules for host in SHARED_WITH):
        yield
        return
    with LOADING:
        finder, collects = _Absent(names), gc.isenabled()
        sys.meta_path.insert(0, finder)
        gc.disable()
        try:
            yield
        finally:
            if collects:
                gc.enable()
            sys.meta_path.remove(finder)


class _Absent(MetaPathFinder):
    """Says of some modules to the thread that made it that they are not installed; other threads find them."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self._names = names
        self._thread = get_ident()

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """See `MetaPathFinder.find_spec`; None leaves the module to the other finders."""
        if fullname in self._names and get_ident() == self._thread:
            raise ModuleNotFoundError(f"No module named {fullname!r}", name=fullname)
        return None
