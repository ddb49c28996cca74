"""A branch of a project, and the script that CI runs on it, in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.architecture.source import ROOT
from tests.end_to_end.repository import git
from tests.end_to_end.workplace import Workplace
from tests.fakes.gh import Gh

SCRIPT = ROOT / "scripts" / "ci_evals.py"
MARKER = "<!-- assay:evals -->"
COMMENTS = "repos/team/project/issues/7/comments"


@dataclass
class Branch:
    """A branch of the project in `place`, as pull request 7 of team/project."""

    place: Workplace
    gh: Gh

    @property
    def start(self) -> str:
        """The commit where it began."""
        return git(self.place, "merge-base", "main", "HEAD")

    @property
    def summary(self) -> Path:
        """The summary of the job."""
        return self.gh.folder / "summary.md"

    def judged(self, *options: str, base: str = "main") -> subprocess.CompletedProcess[str]:
        """The script has run on what is checked out."""
        variables = self.place.variables(
            PATH=f"{self.gh.folder}:{os.environ['PATH']}",
            GITHUB_REPOSITORY="team/project",
            GITHUB_STEP_SUMMARY=str(self.summary),
            PR_NUMBER="7",
            GH_TOKEN="token of the job",
        )
        command: Sequence[str] = [sys.executable, str(SCRIPT), "--base", base, *options]
        return subprocess.run(
            command, cwd=self.place.root, env=variables, capture_output=True, text=True, timeout=180, check=False
        )
