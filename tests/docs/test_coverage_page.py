"""The cells of the page on coverage are those of the benchmark, written as it writes them."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import pytest

from tests.benchmarks.coverage.__main__ import COLUMNS, cells, main
from tests.docs.pages import ROOT

FILE = ROOT / "tests" / "benchmarks" / "coverage" / "cells.csv"
PAGE = " ".join((ROOT / "docs" / "reference" / "coverage.md").read_text("utf-8").split())
ONE = "binomial/n=30,"


def rows() -> list[dict[str, str]]:
    with FILE.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_the_file_has_every_cell_of_the_benchmark_and_no_other() -> None:
    assert tuple(rows()[0]) == COLUMNS
    assert list(dict.fromkeys(row["cell"] for row in rows())) == [cell.key for cell in cells(samples=1)]


def test_a_cell_without_chance_is_in_the_file_as_the_benchmark_writes_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["--out", str(tmp_path / "results.jsonl"), "--cells", "binomial/n=30"])

    written = [line for line in capsys.readouterr().out.splitlines() if line.startswith(ONE)]
    assert written == [line for line in FILE.read_text("utf-8").splitlines() if line.startswith(ONE)]
    assert len(written) == 15


def test_the_page_counts_what_the_file_holds() -> None:
    found = rows()
    targets = [row["met"] for row in found if row["met"]]
    (situations,) = re.findall(r"in (\d+) simulated situations", PAGE)
    (counts,) = re.findall(r"Of (\d+) estimates that have a target, (\d+) meet it", PAGE)

    assert int(situations) == len({row["cell"] for row in found})
    assert tuple(int(count) for count in counts) == (len(targets), targets.count("yes"))
