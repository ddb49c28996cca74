"""Values that no command can use are refused as the options are read: numbers out of range, files nobody can write."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from assay.cli.application import cli
from assay.cli.option_types import BoundedInteger, FiniteNumber, OutputFile
from assay.errors import UsageError

OUTSIDE = ["9" * 19, "-" + "9" * 19, "9" * 5000, "1e3", "nan"]


def parameters(command: click.Command = cli) -> Iterator[tuple[str, click.Parameter]]:
    """Every option and argument of every command, with its command's name."""
    for parameter in command.params:
        yield f"{command.name} {parameter.opts[0]}", parameter
    if isinstance(command, click.Group):
        for inner in command.commands.values():
            yield from parameters(inner)


def refused(type_: click.ParamType, text: str) -> bool:
    try:
        type_.convert(text, None, None)
    except (click.BadParameter, UsageError):
        return True
    return False


def test_every_integer_of_a_command_is_bounded() -> None:
    numbers = {name: p.type for name, p in parameters() if isinstance(p.type, click.types.IntParamType)}
    assert len(numbers) > 8
    assert [name for name, kind in numbers.items() if not isinstance(kind, BoundedInteger)] == []
    assert [(name, text) for name, kind in numbers.items() for text in OUTSIDE if not refused(kind, text)] == []


def test_every_fraction_of_a_command_is_finite() -> None:
    # --budget is checked with the options of a run, which Dagster takes too.
    numbers = {
        name: p.type
        for name, p in parameters()
        if isinstance(p.type, click.types.FloatParamType) and "--budget" not in name
    }
    assert len(numbers) > 5
    assert [name for name, kind in numbers.items() if not isinstance(kind, FiniteNumber)] == []
    assert [
        (name, text) for name, kind in numbers.items() for text in ("nan", "inf", "-inf") if not refused(kind, text)
    ] == []


def test_an_integer_of_thousands_of_digits_is_not_repeated() -> None:
    done = CliRunner().invoke(cli, ["run", "x", "--epochs", "9" * 5000])
    assert "is not a valid integer" in done.output
    assert len(done.output) < 400


def test_every_file_that_a_command_writes_is_checked_before_its_work() -> None:
    files = {name: p.type for name, p in parameters() if isinstance(p.type, click.Path)}
    assert {name for name, kind in files.items() if not isinstance(kind, OutputFile)} == {"import file"}


@pytest.mark.parametrize("name_of_file", ["", ".", "missing/out.jsonl", "x" * 5000])
def test_a_place_that_takes_no_file_is_refused_beforehand(tmp_path: Path, name_of_file: str) -> None:
    with pytest.raises(UsageError, match="expected a file in an existing, writable folder"):
        OutputFile().convert(f"{tmp_path}/{name_of_file}", None, None)
