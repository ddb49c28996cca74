"""The files from `assay eval` to the landed gate, as docs/architecture.md lists them."""

from __future__ import annotations

import re
from dataclasses import dataclass

from tests.paths import ROOT

HEADING = "## From `assay eval` to the landed gate"
ROW = re.compile(r"^\| `(assay/\S+\.py)` \| [^|]+ \| (?:`(\w+)`)? ?\| (?:`(\w+)`)? ?\|$", re.MULTILINE)
PACKAGE = "assay/evaluation"


@dataclass(frozen=True, slots=True)
class Step:
    """One row of the page: a file with its function and type, empty where it has none."""

    file: str
    function: str
    result: str


def listed() -> list[Step]:
    """The rows of the page, in their order."""
    section = (
        (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8").partition(HEADING)[2].partition("\n## ")[0]
    )
    return [Step(*found.groups(default="")) for found in ROW.finditer(section)]
