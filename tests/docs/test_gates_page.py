"""The figures of the page on gates are those of the program."""

from __future__ import annotations

import re

import pytest

from assay.evaluation.power.plan_gate import PowerOptions, plan_gate
from assay.evaluation.power.render import tables
from assay.project import open_project
from assay.settings import Settings
from assay.statistics.looks import look_at
from assay.statistics.power import Plan, records_to_pass
from tests.docs.pages import ROOT

PAGE = (ROOT / "docs" / "how-to" / "gates.md").read_text("utf-8")


def test_the_records_that_let_equal_variants_pass_are_those_of_power() -> None:
    rows = re.findall(r"^\| (\d+)% \|(.*)\|$", PAGE, re.MULTILINE)
    found = {int(share): [int(cell.replace(",", "")) for cell in cells.split("|")] for share, cells in rows}

    assert found == {
        share: [
            records_to_pass(Plan(n=1, discordance=share / 100, margin=margin, error=look_at(1, planned=None).error))
            for margin in (0.01, 0.02, 0.05, 0.1)
        ]
        for share in (2, 5, 10, 20)
    }


def test_the_error_rates_of_looks_are_those_of_the_gate() -> None:
    rows = re.findall(r"^\| (\d+) \| ([\d.]+)% \| ([\d.]+)% \|$", PAGE, re.MULTILINE)

    assert len(rows) == 4
    for number, error, left in rows:
        look = look_at(int(number), planned=None)
        assert (float(error), float(left)) == pytest.approx((100 * look.error, 100 * look.left), abs=5e-4), number


def test_the_plan_of_the_shipped_task_is_what_the_command_shows() -> None:
    project = open_project(Settings(root=ROOT, hash_key=b"k" * 32))
    plan = plan_gate(project, "support_triage", PowerOptions(discordance=0.1, difference=-0.1, rate=0.9))

    columns, rows = next((columns, rows) for _, columns, rows in tables(plan))

    assert f"| {' | '.join(columns)} |" in PAGE
    assert f"| `{rows[0][0]}` | {' | '.join(rows[0][1:])} |" in PAGE
