"""A project folder as a user has it, with the commands run as a user runs them, in processes of their own.

Belongs here: making the folder, starting commands, looking into the warehouse. Nothing is judged here.
"""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from assay.settings import Settings, load_settings
from assay.warehouse.client import Warehouse
from tests.command_server import ASSAY, command_server
from tests.emulator import Endpoints
from tests.fakes.model_endpoint import ModelEndpoint
from tests.paths import ROOT

CONCURRENCY = 16
PRICED_MODEL = "gpt-4.1-nano"
KEPT = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "VIRTUAL_ENV", "COVERAGE_PROCESS_START")

OUTPUT = """
from typing import Literal

from pydantic import BaseModel, ConfigDict


class Answer(BaseModel):
    model_config = ConfigDict(extra="forbid")

    label: Literal["question", "complaint", "praise"]
    note: str
"""

SPEC: dict[str, Any] = {
    "description": "Sorts texts in tests.",
    "owner": "tests",
    "input": {"record_id": "id", "fields": {"text": "text"}, "max_rejected": 0.5},
    "output": {"model": "output.py:Answer"},
    "prompts": {"user": "user.j2"},
    "parameters": {"temperature": 0, "max_tokens": 60},
    "routes": [{"name": "first", "provider": "openai", "model": PRICED_MODEL, "timeout_s": 20, "max_attempts": 1}],
    "checks": [{"name": "schema_kept", "type": "valid_schema"}],
    "correct": ["schema_kept"],
    # Masking takes seconds to import; tests about it switch it on.
    "masking": {"enabled": False},
}


@dataclass
class Workplace:
    """A project in `root` whose warehouse is `endpoints` and whose only provider is `model`."""

    root: Path
    endpoints: Endpoints
    model: ModelEndpoint
    environment: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        (self.root / "tasks").mkdir(parents=True, exist_ok=True)
        provider = {"base_url": self.model.url, "api_key_env": None, "concurrency": CONCURRENCY}
        self.write("providers.yml", yaml.safe_dump({"openai": provider}))

    def write(self, name: str, content: str | bytes) -> Path:
        """The file below the project's root holds `content`."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    def task(
        self, name: str, *, cases: Sequence[Mapping[str, Any]] = (), prompt: str = "{{ text }}", **edits: Any
    ) -> str:
        """There is a task of that name whose spec is the tests' own with top-level `edits`; returns the name."""
        folder = f"tasks/{name}"
        self.write(f"{folder}/task.yml", yaml.safe_dump({"name": name, **SPEC, **edits}))
        self.write(f"{folder}/output.py", OUTPUT)
        self.write(f"{folder}/user.j2", prompt)
        if cases:
            self.write(f"{folder}/cases.jsonl", "".join(f"{json.dumps(case)}\n" for case in cases))
        return name

    def rows(self, name: str, rows: Sequence[Mapping[str, str]]) -> str:
        """A CSV file of that name holds the rows; returns the name."""
        text = io.StringIO()
        writer = csv.DictWriter(text, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
        self.write(name, text.getvalue())
        return name

    def variables(self, **more: str) -> dict[str, str]:
        """The environment of a command: what a shell has, and where the emulator is; nothing of the test's own."""
        return {
            **{name: os.environ[name] for name in KEPT if name in os.environ},
            "ASSAY_ROOT": str(self.root),
            "ASSAY_BIGQUERY_ENDPOINT": self.endpoints.rest,
            "ASSAY_BIGQUERY_GRPC_ENDPOINT": self.endpoints.grpc,
            "ASSAY_LOCAL_TOKEN": self.endpoints.token,
            **self.environment,
            **more,
        }

    def start(self, *arguments: str, **variables: str) -> subprocess.Popen[str]:
        """The command, running."""
        return subprocess.Popen(
            [str(ASSAY), *arguments],
            cwd=self.root,
            # Of this checkout, which need not be the one that the interpreter has installed.
            env={"PYTHONPATH": str(ROOT), **self.variables(**variables)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def command(self, *arguments: str, timeout_s: float = 60, **variables: str) -> subprocess.CompletedProcess[str]:
        """The command, ended; variables of Python itself need an interpreter of its own."""
        env = self.variables(**variables)
        if not any(name.startswith("PYTHON") for name in env):
            return command_server().run(arguments, cwd=self.root, env=env, timeout_s=timeout_s)
        with self.start(*arguments, **variables) as process:
            try:
                out, err = process.communicate(timeout=timeout_s)
            except subprocess.TimeoutExpired:
                process.kill()
                raise
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def run(self, task: str, *arguments: str, timeout_s: float = 60) -> dict[str, Any]:
        """The summary of a run that ended well; its messages are the error otherwise."""
        done = self.command("run", task, "--format", "json", *arguments, timeout_s=timeout_s)
        assert done.returncode == 0, done.stdout + done.stderr
        summary: dict[str, Any] = json.loads(done.stdout)
        return summary

    def settings(self) -> Settings:
        """What a command reads from its environment."""
        return load_settings(self.variables())

    def warehouse(self) -> Warehouse:
        """A connection of the test's own."""
        return Warehouse(self.settings())

    def query(self, sql: str, **parameters: object) -> list[dict[str, Any]]:
        """Rows of a statement on the landing dataset."""
        return list(self.warehouse().stream(sql, parameters))


def until(reached: Callable[[], object], *, within_s: float = 60) -> None:
    """Returns when it is so.

    Raises:
        TimeoutError: it was not, in that time.
    """
    deadline = time.monotonic() + within_s
    while not reached():
        if time.monotonic() > deadline:
            raise TimeoutError(f"still waiting after {within_s:.0f} s")
        time.sleep(0.02)


def numbered_rows(count: int, *, start: int = 0) -> list[dict[str, str]]:
    """Rows with ids and texts that occur once."""
    return [{"id": f"r{number:05}", "text": f"text number {number:05}"} for number in range(start, start + count)]
