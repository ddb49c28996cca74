"""The workflows of CI: shell that parses and holds nothing of a stranger's, few permissions, actions of a stated version."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from scripts import ci_evals
from tests.architecture.source import ROOT

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
PINNED = re.compile(r"^[\w.-]+/[\w./-]+@(v\d+(\.\d+)*|[0-9a-f]{40})$")
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
def test_every_action_has_a_version_and_every_job_a_time_limit(path: Path) -> None:
    assert [step["uses"] for step in steps(path) if "uses" in step and not PINNED.match(step["uses"])] == []
    assert all(job["timeout-minutes"] <= 60 for job in read(path)["jobs"].values())


@pytest.mark.parametrize(
    ("name", "permissions"),
    [("ci.yml", {"contents": "read"}), ("evals.yml", {"contents": "read", "pull-requests": "write"})],
)
def test_permissions_are_those_that_are_needed(name: str, permissions: dict[str, str]) -> None:
    workflow = read(ROOT / ".github" / "workflows" / name)
    assert workflow["permissions"] == permissions
    assert all("permissions" not in job for job in workflow["jobs"].values())


def test_evals_run_on_pull_requests_that_change_tasks_and_with_no_more_rights_than_these() -> None:
    """Not on `pull_request_target`, which would give a fork's code the secrets. YAML reads the key `on` as true."""
    assert evals()[True] == {"pull_request": {"paths": [f"{ci_evals.TASKS}/**"]}}


def test_evals_see_the_branch_itself_with_its_history() -> None:
    [checkout] = [step["with"] for step in evals()["jobs"]["evals"]["steps"] if "checkout" in step.get("uses", "")]
    assert (checkout["fetch-depth"], checkout["persist-credentials"]) == (0, False)
    assert checkout["ref"] == "${{ github.event.pull_request.head.sha }}"


def test_evals_give_their_script_what_it_reads() -> None:
    source = Path(ci_evals.__file__).read_text("utf-8")
    [step] = [step for step in evals()["jobs"]["evals"]["steps"] if "ci_evals.py" in step.get("run", "")]
    assert (ROOT / "scripts" / "ci_evals.py").is_file()
    assert set(READS.findall(source)) - GIVEN_BY_GITHUB <= step["env"].keys()
    assert set(re.findall(r"\$(\w+)", step["run"])) <= step["env"].keys()
    assert "GH_TOKEN" in step["env"]


def test_secrets_and_the_token_are_seen_by_one_step_only() -> None:
    job = evals()["jobs"]["evals"]
    holders = [step.get("name") for step in job["steps"] if re.search(r"secrets\.|github\.token", str(step))]
    assert holders == ["Evaluate and comment"]
    assert "secrets." not in str(job["env"])
