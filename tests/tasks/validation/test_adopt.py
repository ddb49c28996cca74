"""The block `adopt` of task.yml."""

from __future__ import annotations

import pytest

from tests.tasks.conftest import TaskFolder

BLOCK = "adopt:\n  input: predictions.csv\n  answers:\n    vendor: vendor_label\n"


def test_a_block_with_answers_and_stated_columns_is_valid(folder: TaskFolder) -> None:
    folder.write("task.yml", (folder.path / "task.yml").read_text() + BLOCK + "  cost_usd:\n    vendor: usd\n")
    adopt = folder.load().spec.adopt
    assert adopt is not None and (adopt.answers, adopt.cost_usd) == ({"vendor": "vendor_label"}, {"vendor": "usd"})


@pytest.mark.parametrize(
    ("edit", "says"),
    [
        (("vendor: vendor_label", "warm: vendor_label"), "'warm' is the name of a variant"),
        (("vendor: vendor_label", "default: vendor_label"), "'default' is the name of a variant"),
        (("vendor: vendor_label", "all: vendor_label"), "'all' is a keyword of `assay eval --variants`"),
        (("vendor: vendor_label", "adopted: vendor_label"), "'adopted' is a keyword of `assay eval --variants`"),
        (("vendor: vendor_label", "a b: vendor_label"), "a b"),
        (("predictions.csv", "predictions.xlsx"), "a file"),
        (("    vendor: vendor_label\n", "    vendor: vendor_label\n  field: lable\n"), "a field of Answer"),
        (("    vendor: vendor_label\n", "    vendor: vendor_label\n  cost_usd: {other: usd}\n"), "found 'other'"),
    ],
)
def test_an_issue_of_the_block_is_reported_with_its_line(folder: TaskFolder, edit: tuple[str, str], says: str) -> None:
    folder.write("task.yml", (folder.path / "task.yml").read_text() + BLOCK.replace(*edit))
    (issue,) = folder.issues()
    assert says in str(issue) and "task.yml:" in str(issue)
