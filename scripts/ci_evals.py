"""Evaluates the tasks that a branch changes against its merge base.

    python scripts/ci_evals.py --base origin/main --result evals.json

Run it in the root of a checkout with full history. It needs `git` and the `assay` command of the same Python environment.
It exits with the most severe exit code of `assay eval --gate` over all tasks. `scripts/ci_comment.py` posts the result.
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
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

TASKS = "tasks"
FOUND = "### Assay: "
"""Prefix of every result of `assay eval --format markdown`; other output contains no decision."""
FAILED, INCONCLUSIVE, ERROR = 1, 2, 3
MESSAGE_LINES = 20


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
    """Evaluates every changed task, writes the results to the job summary and the file, and returns the exit code."""
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
    if options.result:
        options.result.write_text(json.dumps({"body": body, "is_new": bool(results)}), encoding="utf-8")
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
    parser.add_argument("--result", type=Path, help="file for the text of the comment, as JSON")
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
    last: deque[str] = deque(maxlen=10 * MESSAGE_LINES)
    with tempfile.TemporaryFile("w+", encoding="utf-8") as out:
        with subprocess.Popen(command, stdout=out, stderr=subprocess.PIPE, encoding="utf-8") as running:
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
        return f"Nothing to evaluate: no task differs from the merge base `{start[:12]}`.\n"
    head = f"Tasks changed by this branch, evaluated against the merge base `{start[:12]}`.\n"
    return "\n".join([head, *(result.markdown for result in results)])


def most_severe(codes: Sequence[int]) -> int:
    """Returns the most severe exit code, in this order: error, failed gate, inconclusive, 0."""
    if errors := [code for code in codes if code not in (0, FAILED, INCONCLUSIVE)]:
        return max(errors)
    return FAILED if FAILED in codes else max(codes, default=0)


def _git(*arguments: str) -> str:
    """Runs git and returns its output."""
    return _output(["git", *arguments])


def _has(commit: str, path: str) -> bool:
    """True if the commit contains the file; `path` is relative to the working directory."""
    command = ["git", "cat-file", "-e", f"{commit}:./{path}"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def _output(command: Sequence[str]) -> str:
    try:
        # File names may contain any bytes; `surrogateescape` preserves invalid UTF-8.
        done = subprocess.run(command, capture_output=True, encoding="utf-8", errors="surrogateescape", check=False)
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
