"""The order in which the processes of `pytest -n` take the files."""

from __future__ import annotations

from tests.conftest import DEAR, FIRST, unit_of
from tests.paths import ROOT


def test_long_units_are_files_and_folders_that_exist() -> None:
    assert [unit for unit in (*FIRST, *DEAR) if not (ROOT / unit).exists()] == []


def test_a_unit_is_the_file_or_the_folder_that_it_stays_in() -> None:
    assert unit_of("tests/labels/page/test_page.py::test_a[1]") == "tests/labels/page/test_page.py"
    assert unit_of("tests/oracles_assay/test_statements.py::test_a") == unit_of("tests/dbt/test_figures.py::test_b")
