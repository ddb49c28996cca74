"""The workflows of CI: shell that parses and holds nothing of a stranger's, few permissions, actions of a stated commit."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

from scripts import ci_comment, ci_evals
from tests.architecture.source import ROOT

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
PINNED = re.compile(r"^[\w.-]+/[\w./-]+@[0-9a-f]{40}$")
READS = re.compile(r"environ\.get\(\"(\w+)\"\)")
GIVEN_BY_GITHUB = {"GITHUB_STEP_SUMMARY", "GITHUB_REPOSITORY"}


def read(path: Path) -> dict[Any, Any]:
    found: dict[Any, Any] = yaml.safe_load(path.read_text("utf-8"))
    return found


def steps(path: Path) -> Iterator[dict[str, Any]]:
    for job in read(path)["jobs"].values():
        yield from job["steps"]


def evals() -> dict[Any, Any]:
    return read(ROOT / ".github" / "workflows" / "evals.yml")


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_every_shell_step_parses(path: Path) -> None:
    scripts = [step["run"] for step in steps(path) if "run" in step]
    assert scripts
    for script in scripts:
        done = subprocess.run(["bash", "-n"], input=script, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{script}\n{done.stderr}"


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_nothing_is_put_into_shell_by_the_workflow(path: Path) -> None:
    """An expression there is text before it is shell, whoever wrote it; `env` hands it over as a value."""
    assert [step["run"] for step in steps(path) if "${{" in step.get("run", "")] == []


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_every_action_is_a_commit_and_every_job_a_time_limit(path: Path) -> None:
    assert [step["uses"] for step in steps(path) if "uses" in step and not PINNED.match(step["uses"])] == []
    assert all(job["timeout-minutes"] <= 60 for job in read(path)["jobs"].values())


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_only_the_job_that_comments_may_do_more_than_read(path: Path) -> None:
    workflow = read(path)
    assert workflow["permissions"] == {"contents": "read"}
    more = {name: job["permissions"] for name, job in workflow["jobs"].items() if "permissions" in job}
    assert more in ({}, {"comment": {"contents": "read", "pull-requests": "write"}})


def test_evals_run_on_pull_requests_that_change_tasks_and_with_no_more_rights_than_these() -> None:
    """Not on `pull_request_target`, which would give a fork's code the secrets. YAML reads the key `on` as true."""
    assert evals()[True] == {"pull_request": {"paths": [f"{ci_evals.TASKS}/**"]}}


def test_evals_see_the_branch_itself_with_its_history() -> None:
    [checkout] = [step["with"] for step in evals()["jobs"]["evals"]["steps"] if "checkout" in step.get("uses", "")]
    assert (checkout["fetch-depth"], checkout["persist-credentials"]) == (0, False)
    assert checkout["ref"] == "${{ github.event.pull_request.head.sha }}"


@pytest.mark.parametrize(("job", "script"), [("evals", ci_evals), ("comment", ci_comment)])
def test_evals_give_their_scripts_what_they_read(job: str, script: ModuleType) -> None:
    path = Path(str(script.__file__))
    [step] = [step for step in evals()["jobs"][job]["steps"] if path.name in step.get("run", "")]
    assert set(READS.findall(path.read_text("utf-8"))) - GIVEN_BY_GITHUB <= step["env"].keys()
    assert set(re.findall(r"\$(\w+)", step["run"])) <= step["env"].keys()


def test_the_token_is_in_a_job_that_runs_no_code_of_the_pull_request() -> None:
    jobs = evals()["jobs"]
    holders = [(name, step.get("name")) for name, job in jobs.items() for step in job["steps"] if holds_secret(step)]
    assert holders == [("evals", "Evaluate"), ("comment", "Comment")]
    assert not any("secrets." in str({**job, "steps": None}) for job in jobs.values())
    assert "github.token" not in str(jobs["evals"])
    [checkout] = [step["with"] for step in jobs["comment"]["steps"] if "checkout" in step.get("uses", "")]
    assert checkout["ref"] == "${{ github.event.pull_request.base.sha }}"
    assert [step["run"] for step in jobs["comment"]["steps"] if "run" in step] == [
        "python3 scripts/ci_comment.py --result result/evals.json"
    ]


def holds_secret(step: dict[str, Any]) -> bool:
    return re.search(r"secrets\.|github\.token", str(step)) is not None
