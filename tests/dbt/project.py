"""Runs dbt as a user does, in a process of its own, with everything it writes kept in a test's folder."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from assay.settings.local_token import DBT_TOKEN_VARIABLE
from tests.emulator import TOKEN
from tests.paths import ROOT

DBT_PROJECT = ROOT / "dbt_project"
ENV = "dev"


@dataclass(frozen=True, slots=True)
class DbtProject:
    """The project seen through one warehouse; its artefacts are under `folder`."""

    folder: Path
    endpoint: str
    project: str

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """The finished dbt command, whatever its exit code."""
        command = [
            *(sys.executable, "-m", "dbt.cli.main", "--log-path", str(self.folder / "logs"), "--no-use-colors"),
            *arguments,
            *("--project-dir", str(DBT_PROJECT), "--profiles-dir", str(DBT_PROJECT)),
            *("--target-path", str(self.folder / "target")),
        ]
        return subprocess.run(
            command, check=False, env=self._environment(), cwd=ROOT, capture_output=True, text=True, timeout=600
        )

    def succeed(self, *arguments: str) -> str:
        """The output of a dbt command that ended well; its whole output is the error otherwise."""
        done = self.run(*arguments)
        assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
        return done.stdout

    def models(self) -> dict[str, dict[str, Any]]:
        """The models by name, as in the manifest of the last command; it compiled those that it ran."""
        nodes = self._artefact("manifest.json")["nodes"]
        return {name: node for name, node in nodes.items() if node["resource_type"] == "model"}

    def results(self) -> dict[str, str]:
        """Node name to status of the last command."""
        rows = self._artefact("run_results.json")["results"]
        return {row["unique_id"]: row["status"] for row in rows}

    def _artefact(self, name: str) -> dict[str, Any]:
        document: dict[str, Any] = json.loads((self.folder / "target" / name).read_text(encoding="utf-8"))
        return document

    def _environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "ASSAY_ENV": ENV,
            "ASSAY_PROJECT": self.project,
            "ASSAY_BIGQUERY_ENDPOINT": self.endpoint,
            "ASSAY_DBT_TARGET": "local",
            DBT_TOKEN_VARIABLE: TOKEN,
            "DO_NOT_TRACK": "1",
            "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
        }
