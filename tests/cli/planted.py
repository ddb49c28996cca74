"""The command line with one command more, which does what a test wants, in a process and a project of its own."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

SECRET = "sk-0123456789-ada@example.org"

CODE = """
import asyncio, os, sys
import click
from assay.cli import main
from assay.cli.application import cli
from assay.errors import ServiceUnreachable


def shout(secret):
    raise ValueError(f"cannot use {secret}")


async def gathered(secret):
    async def one():
        shout(secret)

    await asyncio.gather(asyncio.create_task(one()), asyncio.sleep(5))


@cli.command()
def planted():
    secret = os.environ["SECRET"]
    BODY


sys.argv = ["assay", "planted"]
main()
"""


@dataclass
class Planted:
    """A project in `root`; its temporary files are in a folder of its own."""

    root: Path

    def __post_init__(self) -> None:
        (self.root / "tasks").mkdir()
        (self.root / "providers.yml").write_text("{}\n", encoding="utf-8")
        self.temporary.mkdir()

    @property
    def temporary(self) -> Path:
        return self.root / "temporary"

    def logs(self) -> list[Path]:
        return sorted((self.root / ".assay" / "logs").glob("crash-*.log"))

    def run(self, body: str, *, full_disk: bool = False, **variables: str) -> subprocess.CompletedProcess[str]:
        """The command, ended; on a full disk no file can take a byte."""
        return subprocess.run(
            self._command(body),
            env=self._environment(**variables),
            cwd=self.root,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            preexec_fn=_fill_disk if full_disk else None,
        )

    def run_unread(self, body: str) -> tuple[int, bool]:
        """The exit code of the command when nobody reads its stdout, and whether it said something on stderr."""
        code, said = unread(self._command(body), self._environment())
        return code, said != ""

    def run_unheard(self, body: str) -> int:
        """The exit code of the command when nobody reads its stderr."""
        return unheard(self._command(body), self._environment())

    def _command(self, body: str) -> list[str]:
        path = self.root / "planted.py"
        path.write_text(CODE.replace("BODY", body), encoding="utf-8")
        return [sys.executable, str(path)]

    def _environment(self, **variables: str) -> dict[str, str]:
        own = {"ASSAY_ROOT": str(self.root), "TMPDIR": str(self.temporary), "SECRET": SECRET}
        inherited = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
        return {**inherited, **own, **variables}


def unread(command: list[str], environment: dict[str, str] | None = None) -> tuple[int, str]:
    """Exit code and stderr of a command whose stdout is a pipe that nobody reads."""
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = subprocess.run(
            command, env=environment, stdout=writing, stderr=subprocess.PIPE, text=True, timeout=60, check=False
        )
    finally:
        os.close(writing)
    return done.returncode, done.stderr


def unheard(command: list[str], environment: dict[str, str] | None = None) -> int:
    """Exit code of a command whose stderr is a pipe that nobody reads."""
    reading, writing = os.pipe()
    os.close(reading)
    try:
        return subprocess.run(command, env=environment, stderr=writing, timeout=60, check=False).returncode
    finally:
        os.close(writing)


def _fill_disk() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
