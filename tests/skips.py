"""`pytest --refuse-skips`: a skipped test fails unless tests/allowed_skips.toml lists its skip with a reason."""

from __future__ import annotations

import fnmatch
import re
import tomllib
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.paths import ROOT

ALLOWED = ROOT / "tests" / "allowed_skips.toml"


@dataclass(frozen=True, slots=True)
class AllowedSkip:
    """Tests that may be skipped.

    `tests` are patterns of their ids, `message` matches the beginning of what the skip says, `because` is the reason.
    With `unless_there`, a path beside the checkout, the skip is allowed only where that path is absent.
    """

    tests: Sequence[str]
    message: str
    because: str
    unless_there: str | None = None

    def allows(self, nodeid: str, message: str) -> bool:
        """True for a skip of this test with this message, on this machine."""
        if self.unless_there is not None and (ROOT / self.unless_there).exists():
            return False
        named = any(fnmatch.fnmatch(nodeid, pattern) for pattern in self.tests)
        return named and re.match(self.message, message) is not None


def allowed_skips(path: Path = ALLOWED) -> list[AllowedSkip]:
    """The entries of the list."""
    return [AllowedSkip(**entry) for entry in tomllib.loads(path.read_text(encoding="utf-8"))["skip"]]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Adds the option."""
    parser.addoption(
        "--refuse-skips",
        action="store_true",
        help="fail tests that are skipped, unless tests/allowed_skips.toml allows it",
    )


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, object, None]:
    """A refused skip is a failure of its test."""
    outcome = yield
    report: pytest.TestReport = outcome.get_result()  # type: ignore[attr-defined]
    if not report.skipped or hasattr(report, "wasxfail") or not item.config.getoption("--refuse-skips"):
        return
    message = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    message = message.removeprefix("Skipped: ")
    if any(skip.allows(item.nodeid, message) for skip in allowed_skips()):
        return
    report.outcome = "failed"
    report.longrepr = (
        f"{item.nodeid} was skipped: {message}\n"
        "--refuse-skips fails skipped tests. Install what it needs, or list it with a reason in tests/allowed_skips.toml."
    )
