"""Posts the result of `scripts/ci_evals.py` on the pull request.

    python scripts/ci_comment.py --result evals.json

It runs in a job of its own, from the base branch: the result comes from code of the pull request, which must not see the
token. It needs `gh` with GH_TOKEN, GITHUB_REPOSITORY and PR_NUMBER.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

MARKER = "<!-- assay:evals -->"
"""Invisible marker that identifies the comment, so that later runs update it."""
COMMENT_CHARACTERS = 60_000
"""Maximum length of a comment; GitHub's limit is 65,536."""
RESULT_BYTES = 1_000_000


class Stopped(Exception):
    """The comment cannot be posted; the message is the reason."""


def main() -> None:
    """Posts the comment; without permission to comment, only warns, because the gate's own job has the decision."""
    options = _options()
    try:
        body, is_new = read_result(options.result)
        publish(body, author=options.comment_author, is_new=is_new)
    except Stopped as error:
        print(f"::warning::No comment on the pull request: {_line(str(error))}. See the job summary for the result.")


def read_result(path: Path) -> tuple[str, bool]:
    """Returns the text, and whether a comment is created if there is none yet.

    Raises:
        Stopped: the file is missing, too large or not in the format of `ci_evals.py`.
    """
    try:
        with path.open("rb") as file:
            found = file.read(RESULT_BYTES + 1)
        if len(found) > RESULT_BYTES:
            raise Stopped(f"{path} is larger than {RESULT_BYTES:,} bytes")
        content = json.loads(found)
        body, is_new = content["body"], content["is_new"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise Stopped(f"{path} cannot be read ({type(error).__name__})") from error
    if not isinstance(body, str) or not isinstance(is_new, bool):
        raise Stopped(f"{path} cannot be read: expected `body` as text and `is_new` as true or false")
    return body, is_new


def publish(body: str, *, author: str, is_new: bool) -> None:
    """Updates the comment on the pull request; creates it if there is none and `is_new` is True.

    Raises:
        Stopped: GitHub rejected the request, `gh` is not installed, or a variable is not set.
    """
    repository, number = os.environ.get("GITHUB_REPOSITORY"), os.environ.get("PR_NUMBER")
    if not repository or not number:
        raise Stopped("GITHUB_REPOSITORY or PR_NUMBER is not set")
    comments = f"repos/{repository}/issues/{number}/comments"
    known = _own_comment(comments, author)
    if known is not None:
        _gh("--method", "PATCH", f"repos/{repository}/issues/comments/{known}", body=body)
    elif is_new:
        _gh("--method", "POST", comments, body=body)


def _options() -> argparse.Namespace:
    assert __doc__ is not None
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--result", required=True, type=Path, help="file that `ci_evals.py --result` wrote")
    parser.add_argument("--comment-author", default="github-actions[bot]", help="author of the comment to update")
    return parser.parse_args()


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


def _cut(body: str) -> str:
    """Truncates the text to the length that GitHub accepts."""
    if len(body) <= COMMENT_CHARACTERS:
        return body
    kept = body[:COMMENT_CHARACTERS].rpartition("\n")[0]
    return f"{kept}\n\nTruncated; see the job summary for the full text.\n"


def _gh(*arguments: str, body: str | None = None) -> str:
    """Calls the GitHub API and returns the response."""
    sent = [] if body is None else ["--input", "-"]
    given = None if body is None else json.dumps({"body": _cut(f"{MARKER}\n{body}")})
    try:
        done = subprocess.run(
            ["gh", "api", *arguments, *sent], input=given, capture_output=True, encoding="utf-8", check=False
        )
    except FileNotFoundError as error:
        raise Stopped("gh is not installed") from error
    if done.returncode:
        raise Stopped(f"`gh api`: {_line(done.stderr) or f'exit {done.returncode}'}")
    return done.stdout


def _line(text: str) -> str:
    return " ".join(text.split())


if __name__ == "__main__":
    main()
