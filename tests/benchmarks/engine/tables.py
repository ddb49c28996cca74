"""A part's result: a Markdown table, and the targets that it missed."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(slots=True)
class Result:
    """What one part measured."""

    title: str
    columns: Sequence[str]
    rows: list[Sequence[object]] = field(default_factory=list)
    misses: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def row(self, *cells: object) -> None:
        """One more line of the table; it is told at once on stderr, for a part may take minutes."""
        self.rows.append(cells)
        sys.stderr.write(f"{_line([str(cell) for cell in cells])}\n")

    def wants(self, met: bool, target: str) -> str:
        """`met` or `MISSED` for the table; a missed target is remembered."""
        if not met:
            self.misses.append(target)
        return "met" if met else "MISSED"

    def markdown(self) -> str:
        """The table with its title and notes."""
        lines = [f"### {self.title}", "", _line(self.columns), _line(["---"] * len(self.columns))]
        lines += [_line([str(cell) for cell in row]) for row in self.rows]
        lines += ["", *(f"- {note}" for note in self.notes), *(f"- missed: {miss}" for miss in self.misses)]
        return "\n".join(lines).rstrip() + "\n"


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
