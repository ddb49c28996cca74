"""What the pages tell people to type exists, and what exists is on the pages."""

from __future__ import annotations

from collections.abc import Iterator

import click
import pytest

from assay.cli.application import cli
from tests.docs.pages import ROOT, CommandLine, command_lines

REFERENCE = (ROOT / "docs" / "reference" / "commands.md").read_text("utf-8")
LINES = list(command_lines())


def test_the_pages_hold_command_lines() -> None:
    assert sum(line.is_whole for line in LINES) >= 10
    assert {line.page for line in LINES} >= {"README.md", "docs/how-to/first-task.md", "docs/reference/commands.md"}


@pytest.mark.parametrize("line", LINES, ids=lambda line: f"{line.page}: assay {' '.join(line.arguments)}"[:90])
def test_every_command_line_names_a_command_and_its_options(line: CommandLine) -> None:
    command, rest = found_command(line.arguments)
    if line.is_whole:
        command.make_context(command.name, list(rest), resilient_parsing=False)
    known = {option for parameter in command.params for option in parameter.opts} | {"--help", "-h", "--version"}
    assert {argument.partition("=")[0] for argument in rest if argument.startswith("-")} <= known


def found_command(arguments: tuple[str, ...]) -> tuple[click.Command, tuple[str, ...]]:
    """The command that the arguments name, and what is left for it."""
    command: click.Command = cli
    while isinstance(command, click.Group) and arguments and not arguments[0].startswith("-"):
        assert arguments[0] in command.commands, (
            f"no command {arguments[0]!r}: expected one of {list(command.commands)}"
        )
        command, arguments = command.commands[arguments[0]], arguments[1:]
    return command, arguments


def every_command(group: click.Group = cli, path: str = "assay") -> Iterator[tuple[str, click.Command]]:
    """Each command with its name as typed."""
    for command in group.commands.values():
        here = f"{path} {command.name}"
        if isinstance(command, click.Group):
            yield from every_command(command, here)
        else:
            yield here, command


def test_every_command_and_option_is_in_the_reference() -> None:
    wanted = {f"`{path}" for path, _ in every_command()}
    options = {
        option
        for _, command in every_command()
        for parameter in command.params
        if isinstance(parameter, click.Option)
        for option in parameter.opts
    }
    assert [text for text in sorted(wanted | options) if text not in REFERENCE] == []


def test_every_target_of_make_is_in_the_reference() -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    targets = [
        line.split(":")[0] for line in makefile.splitlines() if ":" in line and "## " in line and line[0] != "\t"
    ]
    assert [target for target in targets if target != "help" and f"`make {target}`" not in REFERENCE] == []
