"""What Google's client libraries bring into a process, and that others are not kept from importing meanwhile."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module

import pytest

from assay.performance.lean_import import SHARED_WITH, without

UNUSED = "colorsys"
"""A module of the standard library that nothing here imports."""


def loaded_after(code: str) -> set[str]:
    """The modules of a new process that ran the code."""
    printed = subprocess.run(
        [sys.executable, "-c", f"{code}; import sys; print(*sys.modules)"], check=True, capture_output=True, text=True
    )
    return set(printed.stdout.split())


def test_queries_need_neither_arrow_nor_the_storage_api_nor_data_frames() -> None:
    loaded = loaded_after("from assay.performance.lean_import import load_queries; load_queries()")
    assert "google.cloud.bigquery" in loaded
    assert not loaded & {"pyarrow", "numpy", "pandas", "tqdm", "chardet", "google.cloud.bigquery_storage_v1"}


def test_what_queries_leave_out_can_be_imported_whole_after_them() -> None:
    code = "from assay.performance.lean_import import load_queries, load_writes; load_queries(); load_writes()"
    loaded = loaded_after(f"{code}; import pyarrow, pandas; pandas.DataFrame; pyarrow.array")
    assert {"pyarrow", "pandas", "google.cloud.bigquery_storage_v1"} <= loaded


@pytest.mark.parametrize("host", ["dagster", "IPython"])
def test_in_a_process_of_others_a_result_can_still_become_a_data_frame(host: str) -> None:
    loaded = loaded_after(
        f"import {host}; from assay.performance.lean_import import load_queries; load_queries();"
        " from google.cloud.bigquery import _pandas_helpers, table; assert _pandas_helpers.pandas and table.pyarrow"
    )
    assert "pandas" in loaded


def test_a_module_is_absent_for_one_thread_while_others_find_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (UNUSED, *SHARED_WITH):  # an earlier test may have brought them in
        monkeypatch.delitem(sys.modules, name, raising=False)
    with without((UNUSED,)), ThreadPoolExecutor(1) as other:
        with pytest.raises(ModuleNotFoundError, match=UNUSED):
            import_module(UNUSED)
        assert other.submit(import_module, UNUSED).result().__name__ == UNUSED
        assert import_module(UNUSED).__name__ == UNUSED
