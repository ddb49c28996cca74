"""Skips are refused unless they are listed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.paths import ROOT
from tests.skips import AllowedSkip, allowed_skips

SKIPPING = """
import pytest

def test_passes():
    pass

@pytest.mark.skip(reason="not today")
def test_is_skipped_by_a_mark():
    pass

def test_is_skipped_by_itself():
    pytest.skip("no service")

@pytest.mark.xfail(reason="known")
def test_is_expected_to_fail():
    raise ValueError
"""


@pytest.mark.parametrize(
    ("option", "code", "summary"),
    [([], 0, "1 passed, 2 skipped, 1 xfailed"), (["--refuse-skips"], 1, "1 failed, 1 passed, 1 xfailed, 1 error")],
)
def test_skipped_test_fails_where_skips_are_refused(tmp_path: Path, option: list[str], code: int, summary: str) -> None:
    (tmp_path / "test_skipping.py").write_text(SKIPPING, encoding="utf-8")
    (tmp_path / "pytest.ini").write_text("[pytest]", encoding="utf-8")
    plugins = ("-p", "tests.skips", "-p", "no:cacheprovider", "-p", "no:bqemulator")
    command = [sys.executable, "-m", "pytest", *plugins, *option, str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, summary in done.stdout) == (code, True), done.stdout
    assert ("was skipped: no service" in done.stdout) == bool(option)


def test_skip_is_allowed_for_its_tests_and_its_message_alone() -> None:
    skip = AllowedSkip(tests=["tests/a/*"], message="no data", because="It is large.")
    assert skip.allows("tests/a/test_b.py::test_c[1]", "no data here")
    assert not skip.allows("tests/b/test_b.py::test_c[1]", "no data here")
    assert not skip.allows("tests/a/test_b.py::test_c[1]", "there is no data")


def test_skip_for_lack_of_data_is_refused_where_the_data_is() -> None:
    names = {"tests": ["*"], "message": "", "because": "It is large."}
    assert AllowedSkip(**names, unless_there="nowhere/at/all").allows("tests/a", "no data")
    assert not AllowedSkip(**names, unless_there="tests").allows("tests/a", "no data")


def test_every_allowed_skip_has_a_reason_and_names_tests_that_exist() -> None:
    for skip in allowed_skips():
        assert len(skip.because) > 20
        for pattern in skip.tests:
            assert list(ROOT.glob(pattern.partition("::")[0])), pattern
