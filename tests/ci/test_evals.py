"""What CI says of a branch that changes tasks: one comment, the job's summary, and an exit code that stops it or not."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from assay.formatting.markdown import escaped
from tests.ci.branch import COMMENTS, MARKER, Branch
from tests.end_to_end.repository import committed, git, repository
from tests.end_to_end.workplace import Workplace
from tests.evaluation.scenario import FLOOR, NOT_WORSE, cases, evaluated_task, obeying, prompt
from tests.fakes.gh import BOT, Gh
from tests.fakes.model_endpoint import ModelEndpoint


@pytest.fixture
def branch(place: Workplace, name: str, model: ModelEndpoint, tmp_path: Path) -> Branch:
    """A branch of a repository with one task; nothing is changed yet."""
    model.react = obeying
    repository(place, name)
    git(place, "checkout", "-q", "-b", "change")
    return Branch(place, Gh(tmp_path / "gh"))


def test_a_prompt_made_worse_fails_and_is_told_in_one_comment(branch: Branch, name: str) -> None:
    branch.place.write(f"tasks/{name}/user.j2", prompt(70))
    committed(branch.place, "Shorten the prompt")

    done = branch.judged()

    assert done.returncode == 1, done.stderr
    [body] = branch.gh.bodies
    assert body.startswith(f"{MARKER}\n")
    assert f"evaluated against the merge base `{branch.start[:12]}`" in body
    assert f"### Assay: {escaped(name)} FAIL" in body
    assert "| not\\_worse | reliability at most 3 points below the champion |" in body
    assert f"@{branch.start}" in body
    assert body.removeprefix(f"{MARKER}\n") in branch.summary.read_text("utf-8")


def test_the_next_push_updates_the_comment(branch: Branch, name: str) -> None:
    evaluated_task(branch.place, name, cases(150), gate={"rules": [FLOOR, NOT_WORSE], "looks": 3})
    branch.place.write(f"tasks/{name}/user.j2", prompt(70))
    committed(branch.place, "Shorten the prompt")
    assert branch.judged().returncode == 1
    branch.place.write(f"tasks/{name}/user.j2", prompt(100))
    committed(branch.place, "Say it better")

    done = branch.judged()

    assert done.returncode == 0, done.stderr
    [body] = branch.gh.bodies
    assert f"### Assay: {escaped(name)} PASS" in body
    written = [(method, path) for method, path, _ in branch.gh.calls if method != "GET"]
    assert written == [("POST", COMMENTS), ("PATCH", "repos/team/project/issues/comments/1000")]


def test_a_branch_that_changes_no_task_evaluates_nothing(branch: Branch, model: ModelEndpoint) -> None:
    branch.place.write("docs/page.md", "More words.\n")
    branch.place.write("tasks/README.md", "No task.\n")
    committed(branch.place, "Say more")

    done = branch.judged()

    assert done.returncode == 0, done.stderr
    assert (model.asked, branch.gh.bodies) == ([], [])
    assert "Nothing to evaluate: no task differs" in branch.summary.read_text("utf-8")


def test_what_others_merged_meanwhile_is_not_the_branch_s_doing(
    branch: Branch, name: str, model: ModelEndpoint
) -> None:
    branch.place.write("docs/page.md", "More words.\n")
    committed(branch.place, "Say more")
    git(branch.place, "checkout", "-q", "main")
    branch.place.write(f"tasks/{name}/user.j2", prompt(90))
    committed(branch.place, "Change the prompt")
    git(branch.place, "checkout", "-q", "change")

    assert branch.judged().returncode == 0
    assert model.asked == []


def test_a_new_task_is_judged_by_its_absolute_rules(branch: Branch, name: str, model: ModelEndpoint) -> None:
    new = evaluated_task(branch.place, f"{name}_new", cases(60), right=20)
    committed(branch.place, "Sort other texts")

    done = branch.judged()

    assert done.returncode == 1, done.stderr
    [body] = branch.gh.bodies
    assert f"### Assay: {escaped(new)} FAIL" in body
    assert "no version serves `@stage:ga` yet: only absolute rules are decided" in body
    assert len(model.asked) == 60


def test_a_task_with_an_issue_is_an_error_and_keeps_no_other_from_being_judged(branch: Branch, name: str) -> None:
    branch.place.write(f"tasks/{name}/user.j2", prompt(97))
    branch.place.write("tasks/broken/task.yml", "name: broken\n")
    committed(branch.place, "Sort other texts, badly")

    done = branch.judged()

    assert done.returncode == 3
    [body] = branch.gh.bodies
    assert "### Assay: broken could not be evaluated\n\n```text\nassay: tasks/broken/task.yml:" in body
    assert f"### Assay: {escaped(name)} PASS" in body


def test_a_task_that_is_removed_is_named_only(branch: Branch, name: str, model: ModelEndpoint) -> None:
    git(branch.place, "rm", "-rq", f"tasks/{name}")
    committed(branch.place, "Sort no texts")

    assert branch.judged().returncode == 0
    assert f"### Assay: {name} is removed" in branch.gh.bodies[0]
    assert model.asked == []


def test_a_token_that_may_not_comment_changes_nothing_about_the_decision(branch: Branch, name: str) -> None:
    refusing = Branch(branch.place, Gh(branch.gh.folder.with_name("refusing"), refuses=True))
    git(branch.place, "rm", "-rq", f"tasks/{name}")
    committed(branch.place, "Sort no texts")

    done = refusing.judged()

    assert done.returncode == 0
    assert refusing.comment is not None
    assert refusing.comment.returncode == 0
    assert "::warning::No comment on the pull request" in refusing.comment.stdout
    assert "HTTP 403" in refusing.comment.stdout
    assert "is removed" in refusing.summary.read_text("utf-8")


def test_comments_of_others_are_left_alone(branch: Branch, name: str) -> None:
    others = [
        {"id": 1, "user": {"login": "someone"}, "body": f"{MARKER}\nmine"},
        {"id": 2, "user": {"login": BOT}, "body": "about something else"},
        {"id": 3, "user": {"login": BOT}, "body": f"{MARKER}\nthe last one"},
    ]
    crowded = Branch(branch.place, Gh(branch.gh.folder.with_name("crowded"), comments=others))
    git(branch.place, "rm", "-rq", f"tasks/{name}")
    committed(branch.place, "Sort no texts")

    assert crowded.judged().returncode == 0
    assert [body.startswith(MARKER) and "is removed" in body for body in crowded.gh.bodies] == [False, False, True]


@pytest.mark.parametrize(
    ("ends", "says", "expected"),
    [
        (0, "### Assay: x PASS", 0),
        (1, "### Assay: x FAIL", 1),
        (2, "### Assay: x INCONCLUSIVE", 2),
        (1, "", 3),
        (2, "", 3),
        (5, "", 5),
        (130, "", 130),
    ],
)
def test_the_exit_code_is_that_of_the_gate_and_a_program_that_broke_off_is_no_gate(
    branch: Branch, name: str, ends: int, says: str, expected: int
) -> None:
    branch.place.write(f"tasks/{name}/user.j2", prompt(97))
    committed(branch.place, "Say it better")

    assert branch.judged("--assay", program(branch, f"print({says!r})\nsys.exit({ends})")).returncode == expected


def test_code_of_the_branch_is_not_given_the_token(branch: Branch, name: str) -> None:
    branch.place.write(f"tasks/{name}/user.j2", prompt(97))
    committed(branch.place, "Say it better")
    telling = program(branch, "import os\nprint('### Assay:', os.environ.get('GH_TOKEN'), sys.argv[1:])")

    assert branch.judged("--assay", telling, "--budget", "2.50").returncode == 0
    [body] = branch.gh.bodies
    assert "### Assay: None" in body
    assert f"'--champion', '@{branch.start}', '--budget', '2.50', '--', '{name}']" in body
    assert {token for _, _, token in branch.gh.calls} == {"token of the job"}


def test_a_comment_is_no_longer_than_github_takes(branch: Branch, name: str) -> None:
    branch.place.write(f"tasks/{name}/user.j2", prompt(97))
    committed(branch.place, "Say it better")

    branch.judged("--assay", program(branch, "print('### Assay: x PASS')\nprint('| a | line |\\n' * 9000)"))

    [body] = branch.gh.bodies
    assert 50_000 < len(body) < 65_536
    assert body.endswith("| a | line |\n\nTruncated; see the job summary for the full text.\n")
    assert branch.summary.read_text("utf-8").count("| a | line |") == 9000


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "cannot be read (FileNotFoundError)"),
        (b"{", "cannot be read (JSONDecodeError)"),
        (b"[" * 900_000, "cannot be read (RecursionError)"),
        (b'{"body": ["x"], "is_new": true}', "expected `body` as text"),
        (b'{"body": "' + b"x" * 1_000_000 + b'", "is_new": true}', "is larger than 1,000,000 bytes"),
    ],
)
def test_a_result_that_code_of_the_branch_has_forged_is_not_posted(
    branch: Branch, content: bytes | None, reason: str
) -> None:
    if content is not None:
        branch.result.write_bytes(content)
    done = branch.told()
    assert (done.returncode, branch.gh.bodies) == (0, [])
    assert reason in done.stdout


def test_a_base_that_the_clone_has_not_is_said(branch: Branch) -> None:
    done = branch.judged(base="origin/main")

    assert done.returncode == 3
    assert "`git merge-base origin/main`: fatal: Not a valid object name origin/main" in done.stderr


def test_an_error_of_the_script_itself_is_no_failed_gate(branch: Branch, name: str) -> None:
    branch.place.write(f"tasks/{name}/user.j2", prompt(97))
    committed(branch.place, "Say it better")

    done = branch.judged("--assay", str(branch.gh.folder))

    assert done.returncode == 3
    assert done.stderr.endswith("ci_evals: unexpected PermissionError (traceback above); no gate was decided\n")


def test_an_option_that_does_not_exist_is_no_gate_that_cannot_decide(branch: Branch) -> None:
    done = branch.judged("--nonsense")

    assert done.returncode == 3
    assert "error: unrecognized arguments: --nonsense" in done.stderr


def program(branch: Branch, code: str) -> str:
    """Something in place of `assay`; returns its path."""
    path = branch.gh.folder / "assay"
    path.write_text(f"#!{sys.executable}\nimport sys\n{code}\n", encoding="utf-8")
    path.chmod(0o755)
    return str(path)
