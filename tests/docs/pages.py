"""The documentation as its readers see it: pages, links, command lines.

Only reading belongs here; what must hold is in the tests.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.paths import ROOT

PAGES = sorted(
    [ROOT / "README.md", ROOT / "CHANGELOG.md", ROOT / "terraform" / "README.md", *ROOT.glob("docs/**/*.md")]
)
FENCE = re.compile(r"^(`{3,})[^\n]*\n(.*?)^\1\s*$", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
COMMAND = re.compile(r"^(?:\$ )?assay(?: |$)")


@dataclass(frozen=True, slots=True)
class CommandLine:
    """One `assay …` of a page, as arguments; `is_whole` when it stands in a block, ready to be copied."""

    page: str
    arguments: tuple[str, ...]
    is_whole: bool


def name(page: Path) -> str:
    """The page's path within the project."""
    return page.relative_to(ROOT).as_posix()


def command_lines() -> Iterator[CommandLine]:
    """Every command line of every page, from blocks and from inline code."""
    for page in PAGES:
        text = page.read_text("utf-8")
        blocks = [line for block in FENCE.findall(text) for line in block[1].splitlines()]
        for line in filter(COMMAND.match, blocks):
            yield CommandLine(name(page), tuple(shlex.split(line.removeprefix("$ "), comments=True)[1:]), is_whole=True)
        for piece in filter(COMMAND.match, INLINE.findall(FENCE.sub("", text))):
            yield CommandLine(name(page), tuple(shlex.split(piece.replace("\\|", "|"))[1:]), is_whole=False)


def links() -> Iterator[tuple[Path, str]]:
    """Every relative link with the page it stands on."""
    for page in PAGES:
        for target in LINK.findall(FENCE.sub("", page.read_text("utf-8"))):
            if "://" not in target and not target.startswith("mailto:"):
                yield page, target


def anchors(page: Path) -> set[str]:
    """The anchors of the page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", page.read_text("utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
