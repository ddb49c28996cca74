"""Judges the tasks that a branch changes against where it began, and says on the pull request what came of it.

    python scripts/ci_evals.py --base origin/main

Runs in the root of a checkout with its whole history; needs `git`, the command `assay` beside this Python, and for the
comment `gh` with GH_TOKEN, GITHUB_REPOSITORY and PR_NUMBER. Exit: that of `assay eval --gate`, the gravest of all tasks.
Only the way of a pull request belongs here; what a gate is, is said in `assay`.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import traceback
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

TASKS = "tasks"
MARKER = "<!-- assay:evals -->"
"""How the comment is found again; readers do not see it."""
FOUND = "### Assay: "
"""How a result of `assay eval --format markdown` begins; whatever ended otherwise has judged nothing."""
FAILED, INCONCLUSIVE, ERROR = 1, 2, 3
COMMENT_CHARACTERS = 60_000
"""GitHub refuses more than 65,536."""
MESSAGE_LINES = 20
FOR_COMMENTS_ONLY = ("GH_TOKEN", "GITHUB_TOKEN")


class Stopped(Exception):
    """Nothing can be judged; the message says why."""


@dataclass(frozen=True)
class Change:
    """A task folder that the branch changes: there now, there where the branch began."""

    task: str
    is_there: bool
    was_there: bool

    @property
    def shown(self) -> str:
        """The name, for a comment: whatever is in a folder's name, it is text and no Markdown."""
        return re.sub(r"[^\w.-]", "?", self.task)


@dataclass(frozen=True)
class Result:
    """How the evaluation of a task ended, and what is said of it."""

    exit_code: int
    markdown: str


class _Parser(argparse.ArgumentParser):
    """Ends with the exit code of an error where argparse has 2, which here is a gate that cannot decide."""

    def error(self, message: str) -> NoReturn:
        """The message is on stderr."""
        self.exit(ERROR, f"{self.format_usage()}{self.prog}: error: {message}\n")


def main() -> int:
    """Every changed task is judged, the result is on the pull request and in the job's summary; returns the exit code."""
    options = _options()
    try:
        start = _git("merge-base", options.base, "HEAD").strip()
        changes = changed_tasks(start)
    except Stopped as error:
        print(f"ci_evals: {error}", file=sys.stderr)
        return ERROR
    results = [judged(change, start, options) for change in changes]
    body = said(results, start)
    _show(body)
    try:
        publish(body, author=options.comment_author, is_new=bool(results))
    except Stopped as error:
        # The gate has decided, whether or not the pull request may be told: a fork's token only reads.
        print(f"::warning::No comment on the pull request: {_line(str(error))}. The job's summary has the result.")
    return gravest([result.exit_code for result in results])


def _show(body: str) -> None:
    """The result is in the job's summary; outside a job it is printed."""
    summary = os.environ.get("GITHUB_STEP_SUMMARY")
    if not summary:
        print(body)
        return
    with Path(summary).open("a", encoding="utf-8") as file:
        file.write(f"{body}\n")


def _options() -> argparse.Namespace:
    assert __doc__ is not None
    parser = _Parser(description=__doc__.splitlines()[0])
    parser.add_argument("--base", required=True, help="branch that the pull request goes to, e.g. origin/main")
    parser.add_argument("--assay", default=str(Path(sys.executable).with_name("assay")), help="the command")
    parser.add_argument("--budget", default="", help="most that each run may spend, in USD; none without")
    parser.add_argument("--comment-author", default="github-actions[bot]", help="whose comment is updated")
    return parser.parse_args()


def changed_tasks(start: str) -> list[Change]:
    """The task folders in which something differs between the commit where the branch began and its head, sorted."""
    listed = _git("diff", "--name-only", "--no-renames", "--relative", "-z", start, "HEAD", "--", TASKS)
    paths = [Path(name).relative_to(TASKS) for name in listed.split("\0") if name]
    names = sorted({path.parts[0] for path in paths if len(path.parts) > 1})
    specs = [(name, f"{TASKS}/{name}/task.yml") for name in names]
    found = [Change(name, _has("HEAD", spec), _has(start, spec)) for name, spec in specs]
    return [change for change in found if change.is_there or change.was_there]


def judged(change: Change, start: str, options: argparse.Namespace) -> Result:
    """What `assay eval --gate` says of the task; one that is gone is only named."""
    if not change.is_there:
        return Result(0, f"{FOUND}{change.shown} is removed\n")
    arguments = ["eval", "--candidate", "default", "--gate", "--format", "markdown"]
    if change.was_there:  # a new task has no champion: its absolute rules decide
        arguments += ["--champion", f"@{start}"]
    if options.budget:
        arguments += ["--budget", options.budget]
    code, markdown, message = _told([options.assay, *arguments, "--", change.task])
    if markdown.startswith(FOUND):
        return Result(code, markdown)
    # A program that broke off exits 1 as well; without a result that is no failed gate.
    return Result(max(code, ERROR), f"{FOUND}{change.shown} could not be evaluated\n\n{_fenced(message)}\n")


def _told(command: Sequence[str]) -> tuple[int, str, list[str]]:
    """Exit code, stdout and the last lines of stderr, which the log shows as they come."""
    own = {name: value for name, value in os.environ.items() if name not in FOR_COMMENTS_ONLY}
    last: deque[str] = deque(maxlen=10 * MESSAGE_LINES)
    with tempfile.TemporaryFile("w+", encoding="utf-8") as out:
        with subprocess.Popen(command, stdout=out, stderr=subprocess.PIPE, env=own, encoding="utf-8") as running:
            assert running.stderr is not None
            for line in running.stderr:
                print(line, end="", file=sys.stderr, flush=True)
                last.append(line.rstrip())
        out.seek(0)
        return running.returncode, out.read(), list(last)


def _fenced(lines: Sequence[str]) -> str:
    """The message of the command, as it stands; of a program that broke off only its last words."""
    starts = [place for place, line in enumerate(lines) if line.startswith(("assay: ", "Error: "))]
    message = lines[starts[-1] :][:MESSAGE_LINES] if starts else lines[-1:]
    return "\n".join(["```text", *(line.replace("```", "'''") for line in message), "```"])


def said(results: Sequence[Result], start: str) -> str:
    """The text for the pull request and the job's summary."""
    if not results:
        return f"{MARKER}\nNothing under `tasks/` differs from `{start[:12]}`: there is nothing to evaluate.\n"
    head = f"{MARKER}\nTasks of this branch, judged against `{start[:12]}`, where it began.\n"
    return "\n".join([head, *(result.markdown for result in results)])


def _cut(body: str) -> str:
    """The text, no longer than GitHub takes."""
    if len(body) <= COMMENT_CHARACTERS:
        return body
    kept = body[:COMMENT_CHARACTERS].rpartition("\n")[0]
    return f"{kept}\n\nCut here; the summary of the job has the whole.\n"


def publish(body: str, *, author: str, is_new: bool) -> None:
    """The pull request has one comment with the body; none is made where there is nothing to say.

    Raises:
        Stopped: GitHub refuses, or `gh` is not installed.
    """
    repository, number = os.environ.get("GITHUB_REPOSITORY"), os.environ.get("PR_NUMBER")
    if not repository or not number:
        return
    comments = f"repos/{repository}/issues/{number}/comments"
    known = _own_comment(comments, author)
    if known is not None:
        _gh("--method", "PATCH", f"repos/{repository}/issues/comments/{known}", body=body)
    elif is_new:
        _gh("--method", "POST", comments, body=body)


def _own_comment(comments: str, author: str) -> int | None:
    """The comment of an earlier run: marked, and written by whom this writes as."""
    for page in _values(_gh("--paginate", f"{comments}?per_page=100")):
        for each in page:
            if each["user"]["login"] == author and each["body"].startswith(MARKER):
                return int(each["id"])
    return None


def _values(text: str) -> Iterator[Any]:
    """The JSON values of the text, one after the other: `gh` prints one for each page."""
    decoder, place = json.JSONDecoder(), 0
    while text[place:].strip():
        place += len(text[place:]) - len(text[place:].lstrip())
        value, place = decoder.raw_decode(text, place)
        yield value


def gravest(codes: Sequence[int]) -> int:
    """An error before a failed gate, that before one that cannot decide and may not; 0 where nothing stops the branch."""
    if errors := [code for code in codes if code not in (0, FAILED, INCONCLUSIVE)]:
        return max(errors)
    return FAILED if FAILED in codes else max(codes, default=0)


def _gh(*arguments: str, body: str | None = None) -> str:
    """What GitHub answers."""
    sent = [] if body is None else ["--input", "-"]
    given = None if body is None else json.dumps({"body": _cut(body)})
    return _output(["gh", "api", *arguments, *sent], given=given)


def _git(*arguments: str) -> str:
    """What git prints."""
    return _output(["git", *arguments])


def _has(commit: str, path: str) -> bool:
    """Whether the commit has the file, named from the working folder."""
    asked = ["git", "cat-file", "-e", f"{commit}:./{path}"]
    return subprocess.run(asked, capture_output=True, check=False).returncode == 0


def _output(command: Sequence[str], *, given: str | None = None) -> str:
    try:
        # Names of files may be anything; what is no UTF-8 goes through as it is.
        done = subprocess.run(
            command, input=given, capture_output=True, encoding="utf-8", errors="surrogateescape", check=False
        )
    except FileNotFoundError as error:
        raise Stopped(f"{command[0]} is not installed") from error
    if done.returncode:
        raise Stopped(f"`{' '.join(command[:3])}`: {_line(done.stderr) or f'exit {done.returncode}'}")
    return done.stdout


def _line(text: str) -> str:
    return " ".join(text.split())


def ended() -> int:
    """The exit code of `main`; an error that no code expects is none of a gate, as Python's own exit code 1 would be."""
    try:
        return main()
    except Exception as error:  # noqa: BLE001 - whatever it is
        traceback.print_exc()
        print(f"ci_evals: unexpected {type(error).__name__}, see above: this says nothing of a gate", file=sys.stderr)
        return ERROR


if __name__ == "__main__":
    sys.exit(ended())
