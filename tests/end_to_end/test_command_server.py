"""A command that is forked ends as one that a shell starts."""

from __future__ import annotations

import subprocess

import pytest

from tests.command_server import command_server
from tests.end_to_end.workplace import Workplace


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--version"], 0),
        (["run", "--help"], 0),
        (["query", "select 1 as one, 'ä' as letter", "--format", "json"], 0),
        (["check", "nowhere"], 3),
        (["query", "select nope from dev_landing.runs"], 3),
        (["nonsense"], 3),
    ],
)
def test_forked_command_ends_as_a_started_one(place: Workplace, arguments: list[str], code: int) -> None:
    with place.start(*arguments) as process:
        out, err = process.communicate(timeout=60)
    forked = place.command(*arguments)
    assert (forked.returncode, forked.stdout, forked.stderr) == (process.returncode, out, err)
    assert forked.returncode == code


def test_forked_command_has_its_own_environment(place: Workplace) -> None:
    elsewhere = place.command("check", ASSAY_ROOT="/no/such/folder")
    assert elsewhere.returncode == 3
    assert "/no/such/folder" in elsewhere.stderr
    assert "/no/such/folder" not in place.command("check").stderr


def test_forked_command_that_takes_too_long_is_killed(place: Workplace) -> None:
    with pytest.raises(subprocess.TimeoutExpired):
        place.command("review", place.task("waiting"), timeout_s=0.2)
    assert command_server().lines.process.poll() is None
    assert place.command("--version").returncode == 0
