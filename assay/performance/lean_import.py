"""Imports Google's client libraries without their optional dependencies for notebooks, data frames and downloads.

The libraries try to import pandas, tqdm with IPython, the Storage API's reader and more, which take most of the
start-up time and are not used here. Modules that are already loaded stay loaded, and later imports are complete.
In a process that is shared with other code (Dagster, IPython), the libraries are imported normally.
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
"""Query results are read as JSON, page by page; Arrow and the Storage API are only for downloads of whole tables."""
SHARED_WITH = ("dagster", "IPython")
LOADING = RLock()


@cache
def load_queries() -> None:
    """Imports the BigQuery client library; further calls do nothing."""
    with without(OPTIONAL_OF_QUERIES):
        import google.cloud.bigquery  # noqa: F401


@cache
def load_writes() -> None:
    """Imports the client library of the Storage Write API; further calls do nothing."""
    with without(OPTIONAL):
        import google.cloud.bigquery_storage_v1  # noqa: F401


@contextmanager
def without(names: tuple[str, ...]) -> Iterator[None]:
    """Makes imports of these modules fail in this thread inside the block; modules that are already loaded still work.

    Garbage collection is off inside the block, because modules are never freed.
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
    """Hides modules from the thread that created it; other threads can import them."""

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
