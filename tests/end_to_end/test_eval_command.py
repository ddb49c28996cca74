"""`assay eval` in a git repository: what was changed on a branch is held against what it came from."""

from __future__ import annotations

import json

import pytest

from assay.formatting.markdown import escaped
from tests.end_to_end.repository import committed, git, repository
from tests.end_to_end.workplace import Workplace
from tests.evaluation.scenario import cases, evaluated_task, obeying, prompt
from tests.fakes.model_endpoint import ModelEndpoint


@pytest.fixture(autouse=True)
def _obeying(model: ModelEndpoint) -> None:
    model.react = obeying


def test_a_branch_that_makes_the_prompt_worse_exits_1(place: Workplace, name: str) -> None:
    task = repository(place, name)
    git(place, "checkout", "-q", "-b", "shorter-prompt")
    place.write(f"tasks/{task}/user.j2", prompt(70))
    committed(place, "Shorten the prompt")

    done = place.command("eval", task, "--champion", "@main", "--gate", "--format", "json", timeout_s=120)

    assert done.returncode == 1, done.stderr
    found = json.loads(done.stdout)
    assert (found["decision"], found["blocks"], found["champion"]["variant"]) == ("FAIL", True, "@main")
    assert found["champion"]["git_sha"] == git(place, "rev-parse", "main")
    overall = found["comparisons"][0]
    assert (overall["n"], overall["gains"], overall["losses"]) == (150, 0, 25)
    landed = place.query("select * from gates where gate_id = @id", id=found["gate_id"])[0]
    assert landed["candidate_git_sha"] == git(place, "rev-parse", "HEAD")


def test_the_ref_asks_as_it_did_and_is_judged_as_now(place: Workplace, name: str) -> None:
    """New cases and a stricter gate of the branch hold for both."""
    task = repository(place, name)
    evaluated_task(place, name, cases(160), right=96)

    done = place.command("eval", task, "--champion", "@main", "--format", "json", timeout_s=120)

    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["comparisons"][0]["n"], found["comparisons"][0]["left_out"]) == (160, 0)
    assert found["champion"]["golden_set_version"] == found["candidate"]["golden_set_version"]
    assert found["champion"]["inference_version"] != found["candidate"]["inference_version"]


def test_a_ref_can_be_run_by_itself(place: Workplace, name: str, model: ModelEndpoint) -> None:
    task = repository(place, name)
    place.write(f"tasks/{task}/user.j2", prompt(10))

    summary = place.run(task, "--variant", "@main", "--input", "golden:gate")

    assert summary["predictions"] == 150
    assert {asked.prompt.split(":")[0] for asked in model.asked} == {"right until 95 of 100"}


def test_markdown_is_a_comment_for_a_pull_request(place: Workplace, name: str, model: ModelEndpoint) -> None:
    task = repository(place, name)

    done = place.command("eval", task, "--champion", "@main", "--format", "markdown", timeout_s=120)

    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"### Assay: {escaped(task)} PASS\n")
    assert len(model.asked) == 150
    assert "| not\\_worse | reliability at most 3 points below the champion |" in done.stdout
    assert "candidate and champion are the same version" in done.stdout


def test_a_task_that_is_new_on_the_branch_says_that_it_has_no_champion(place: Workplace, name: str) -> None:
    repository(place, name)
    evaluated_task(place, "not_known_before", cases(40))

    done = place.command("eval", "not_known_before", "--champion", "@main", timeout_s=60)

    assert done.returncode == 3
    assert "Task 'not_known_before' did not exist at commit" in done.stderr
    assert "Traceback" not in done.stderr


def test_outside_git_a_ref_is_refused(place: Workplace, name: str) -> None:
    task = evaluated_task(place, name, cases(40))

    done = place.command("eval", task, "--champion", "@main", timeout_s=60)

    assert done.returncode == 3
    assert "@main: no branch, tag or commit of that name in the git repository" in done.stderr


def test_an_interrupted_evaluation_goes_on_with_what_is_landed(
    place: Workplace, name: str, model: ModelEndpoint
) -> None:
    task = evaluated_task(place, name, cases(60), routes=[
        {"name": "first", "provider": "openai", "model": "gpt-4.1-nano", "timeout_s": 20, "max_attempts": 1},
    ])  # fmt: skip
    place.command("eval", task, timeout_s=60)
    asked = len(model.asked)

    done = place.command("eval", task, "--format", "json", timeout_s=60)

    assert (done.returncode, asked, len(model.asked)) == (0, 60, 60)
    assert json.loads(done.stdout)["candidate"]["is_reused"] is True


def test_several_variants_are_ranked_and_the_command_exits_0(place: Workplace, name: str) -> None:
    task = evaluated_task(place, name, cases(150), variants={"close": 94, "worse": 60})

    done = place.command("eval", task, "--variants", "all", "--format", "json", timeout_s=120)

    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    ranks = {one["variant"]: (one["rank"]["best"], one["rank"]["worst"]) for one in found["variants"]}
    assert ranks == {"default": (1, 2), "close": (1, 2), "worse": (3, 3)}
    assert found["leaders"] == ["default", "close"]
    overall = [one for one in found["comparisons"] if (one["metric"], one["slice"]) == ("reliability", "overall")]
    assert [(one["first"], one["second"], one["better"]) for one in overall] == [
        ("default", "close", None),
        ("default", "worse", "default"),
        ("close", "worse", "close"),
    ]
    table = place.command("eval", task, "--variants", "default,worse", timeout_s=120)
    assert "default is the most reliable" in table.stdout and "too high on average" in table.stderr


def test_several_variants_and_a_gate_are_refused(place: Workplace, name: str) -> None:
    task = evaluated_task(place, name, cases(20), variants={"close": 94})

    done = place.command("eval", task, "--variants", "all", "--gate")

    assert done.returncode == 3
    assert "--variants cannot be combined with --gate" in done.stderr
