"""A branch of a project, and the scripts that CI runs on it, each in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.architecture.source import ROOT
from tests.end_to_end.repository import git
from tests.end_to_end.workplace import Workplace
from tests.fakes.gh import Gh

MARKER = "<!-- assay:evals -->"
COMMENTS = "repos/team/project/issues/7/comments"


@dataclass
class Branch:
    """A branch of the project in `place`, as pull request 7 of team/project."""

    place: Workplace
    gh: Gh
    comment: subprocess.CompletedProcess[str] | None = None

    @property
    def start(self) -> str:
        """The commit where it began."""
        return git(self.place, "merge-base", "main", "HEAD")

    @property
    def summary(self) -> Path:
        """The summary of the job."""
        return self.gh.folder / "summary.md"

    @property
    def result(self) -> Path:
        """The file that one job hands to the other."""
        return self.gh.folder / "evals.json"

    def judged(self, *options: str, base: str = "main") -> subprocess.CompletedProcess[str]:
        """Both jobs have run on what is checked out; `comment` is the second one, if there was a result."""
        self.result.unlink(missing_ok=True)
        variables = self.place.variables(
            PATH=f"{self.gh.folder}:{os.environ['PATH']}",
            GITHUB_REPOSITORY="team/project",
            GITHUB_STEP_SUMMARY=str(self.summary),
        )
        command = ["ci_evals.py", "--base", base, "--result", str(self.result), *options]
        done = self._run(command, variables, cwd=self.place.root)
        self.comment = self.told() if self.result.exists() else None
        return done

    def told(self) -> subprocess.CompletedProcess[str]:
        """The result is on the pull request, posted by the job that has the token."""
        variables = {
            "PATH": f"{self.gh.folder}:{os.environ['PATH']}",
            "GITHUB_REPOSITORY": "team/project",
            "PR_NUMBER": "7",
            "GH_TOKEN": "token of the job",
        }
        return self._run(["ci_comment.py", "--result", str(self.result)], variables, cwd=ROOT)

    def _run(self, command: list[str], variables: dict[str, str], *, cwd: Path) -> subprocess.CompletedProcess[str]:
        script, *arguments = command
        return subprocess.run(
            [sys.executable, str(ROOT / "scripts" / script), *arguments],
            cwd=cwd,
            env=variables,
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )
