"""Evaluates the tasks that a branch changes against its merge base, and posts the result on the pull request.

    python scripts/ci_evals.py --base origin/main

Run it in the root of a checkout with full history. It needs `git`, the `assay` command of the same Python environment
and, to comment, `gh` with GH_TOKEN, GITHUB_REPOSITORY and PR_NUMBER. It exits with the most severe exit code of
`assay eval --gate` over all tasks.
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
"""Invisible marker that identifies the comment, so that later runs update it."""
FOUND = "### Assay: "
"""Prefix of every result of `assay eval --format markdown`; other output contains no decision."""
FAILED, INCONCLUSIVE, ERROR = 1, 2, 3
COMMENT_CHARACTERS = 60_000
"""Maximum length of a comment; GitHub's limit is 65,536."""
MESSAGE_LINES = 20
FOR_COMMENTS_ONLY = ("GH_TOKEN", "GITHUB_TOKEN")


class Stopped(Exception):
    """The script cannot continue; the message is the reason."""


@dataclass(frozen=True)
class Change:
    """A task folder that the branch changes: whether it exists on the branch, and whether it did at the merge base."""

    task: str
    is_there: bool
    was_there: bool

    @property
    def shown(self) -> str:
        """Returns the name for a comment, with characters replaced that could be interpreted as Markdown."""
        return re.sub(r"[^\w.-]", "?", self.task)


@dataclass(frozen=True)
class Result:
    """Exit code and Markdown text of a task's evaluation."""

    exit_code: int
    markdown: str


class _Parser(argparse.ArgumentParser):
    """Exits with 3 on a usage error instead of argparse's 2, which means an inconclusive gate."""

    def error(self, message: str) -> NoReturn:
        """Prints the message to stderr and exits."""
        self.exit(ERROR, f"{self.format_usage()}{self.prog}: error: {message}\n")


def main() -> int:
    """Evaluates every changed task, posts the results to the pull request and job summary, and returns the exit code."""
    options = _options()
    try:
        start = _git("merge-base", options.base, "HEAD").strip()
        changes = changed_tasks(start)
    except Stopped as error:
        print(f"ci_evals: {error}", file=sys.stderr)
        return ERROR
    results = [judged(change, start, options) for change in changes]
    body = report_text(results, start)
    _show(body)
    try:
        publish(body, author=options.comment_author, is_new=bool(results))
    except Stopped as error:
        # The decision stands even if commenting is not permitted, as with the read-only token of a fork.
        print(f"::warning::No comment on the pull request: {_line(str(error))}. See the job summary for the result.")
    return most_severe([result.exit_code for result in results])


def _show(body: str) -> None:
    """Appends the result to the job summary, or prints it if there is none."""
    summary = os.environ.get("GITHUB_STEP_SUMMARY")
    if not summary:
        print(body)
        return
    with Path(summary).open("a", encoding="utf-8") as file:
        file.write(f"{body}\n")


def _options() -> argparse.Namespace:
    assert __doc__ is not None
    parser = _Parser(description=__doc__.splitlines()[0])
    parser.add_argument("--base", required=True, help="target branch of the pull request, for example origin/main")
    parser.add_argument(
        "--assay", default=str(Path(sys.executable).with_name("assay")), help="path of the assay command"
    )
    parser.add_argument("--budget", default="", help="maximum spend of each run, in USD; default: no limit")
    parser.add_argument("--comment-author", default="github-actions[bot]", help="author of the comment to update")
    return parser.parse_args()


def changed_tasks(start: str) -> list[Change]:
    """Returns the task folders that differ between the merge base and the head of the branch, sorted by name."""
    listed = _git("diff", "--name-only", "--no-renames", "--relative", "-z", start, "HEAD", "--", TASKS)
    paths = [Path(name).relative_to(TASKS) for name in listed.split("\0") if name]
    names = sorted({path.parts[0] for path in paths if len(path.parts) > 1})
    specs = [(name, f"{TASKS}/{name}/task.yml") for name in names]
    found = [Change(name, _has("HEAD", spec), _has(start, spec)) for name, spec in specs]
    return [change for change in found if change.is_there or change.was_there]


def judged(change: Change, start: str, options: argparse.Namespace) -> Result:
    """Runs `assay eval --gate` on the task; a removed task is only listed."""
    if not change.is_there:
        return Result(0, f"{FOUND}{change.shown} is removed\n")
    arguments = ["eval", "--candidate", "default", "--gate", "--format", "markdown"]
    if change.was_there:  # a new task has no champion, so only its absolute rules decide
        arguments += ["--champion", f"@{start}"]
    if options.budget:
        arguments += ["--budget", options.budget]
    code, markdown, message = _run_command([options.assay, *arguments, "--", change.task])
    if markdown.startswith(FOUND):
        return Result(code, markdown)
    # A crash also exits with 1; without a result, this does not mean a failed gate.
    return Result(max(code, ERROR), f"{FOUND}{change.shown} could not be evaluated\n\n{_fenced(message)}\n")


def _run_command(command: Sequence[str]) -> tuple[int, str, list[str]]:
    """Returns exit code, stdout and the last lines of stderr; stderr is also copied to the log."""
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
    """Formats the command's error message as a code block; after a crash, only the last line of output."""
    starts = [place for place, line in enumerate(lines) if line.startswith(("assay: ", "Error: "))]
    message = lines[starts[-1] :][:MESSAGE_LINES] if starts else lines[-1:]
    return "\n".join(["```text", *(line.replace("```", "'''") for line in message), "```"])


def report_text(results: Sequence[Result], start: str) -> str:
    """Formats the text for the pull request and the job summary."""
    if not results:
        return f"{MARKER}\nNothing to evaluate: no task differs from the merge base `{start[:12]}`.\n"
    head = f"{MARKER}\nTasks changed by this branch, evaluated against the merge base `{start[:12]}`.\n"
    return "\n".join([head, *(result.markdown for result in results)])


def _cut(body: str) -> str:
    """Truncates the text to the length that GitHub accepts."""
    if len(body) <= COMMENT_CHARACTERS:
        return body
    kept = body[:COMMENT_CHARACTERS].rpartition("\n")[0]
    return f"{kept}\n\nTruncated; see the job summary for the full text.\n"


def publish(body: str, *, author: str, is_new: bool) -> None:
    """Updates the comment on the pull request; creates it if there is none and `is_new` is True.

    Raises:
        Stopped: GitHub rejected the request, or `gh` is not installed.
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
    """Returns the id of the comment by `author` with the marker, or None."""
    for page in _values(_gh("--paginate", f"{comments}?per_page=100")):
        for each in page:
            if each["user"]["login"] == author and each["body"].startswith(MARKER):
                return int(each["id"])
    return None


def _values(text: str) -> Iterator[Any]:
    """Yields the JSON values of the text in order, because `gh` prints one value per page."""
    decoder, place = json.JSONDecoder(), 0
    while text[place:].strip():
        place += len(text[place:]) - len(text[place:].lstrip())
        value, place = decoder.raw_decode(text, place)
        yield value


def most_severe(codes: Sequence[int]) -> int:
    """Returns the most severe exit code, in this order: error, failed gate, inconclusive, 0."""
    if errors := [code for code in codes if code not in (0, FAILED, INCONCLUSIVE)]:
        return max(errors)
    return FAILED if FAILED in codes else max(codes, default=0)


def _gh(*arguments: str, body: str | None = None) -> str:
    """Calls the GitHub API and returns the response."""
    sent = [] if body is None else ["--input", "-"]
    given = None if body is None else json.dumps({"body": _cut(body)})
    return _output(["gh", "api", *arguments, *sent], given=given)


def _git(*arguments: str) -> str:
    """Runs git and returns its output."""
    return _output(["git", *arguments])


def _has(commit: str, path: str) -> bool:
    """True if the commit contains the file; `path` is relative to the working directory."""
    command = ["git", "cat-file", "-e", f"{commit}:./{path}"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def _output(command: Sequence[str], *, given: str | None = None) -> str:
    try:
        # File names may contain any bytes; `surrogateescape` preserves invalid UTF-8.
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
    """Returns the exit code of `main`, or 3 after an unexpected error, because Python's 1 would mean a failed gate."""
    try:
        return main()
    except Exception as error:  # noqa: BLE001 - see the docstring
        traceback.print_exc()
        print(f"ci_evals: unexpected {type(error).__name__} (traceback above); no gate was decided", file=sys.stderr)
        return ERROR


if __name__ == "__main__":
    sys.exit(ended())
