"""`gh` as a program on PATH: it keeps the comments of one pull request in a file, and can refuse.

Belongs here: `gh api` on comments, as the wire would see it. What they say is for the tests to judge.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

BOT = "github-actions[bot]"
PAGE = 2
PROGRAM = """#!{python}
import json, os, sys
from pathlib import Path

state = Path({state!r})
kept = json.loads(state.read_text("utf-8"))
arguments = sys.argv[1:]
sent = json.loads(sys.stdin.read()) if "--input" in arguments else None
method = arguments[arguments.index("--method") + 1] if "--method" in arguments else "GET"
path = next(each for each in arguments if each.startswith("repos/"))
kept["calls"].append([method, path, os.environ.get("GH_TOKEN")])
comments = kept["comments"]
if kept["refuses"] and method != "GET":
    sys.stderr.write("gh: Resource not accessible by integration (HTTP 403)\\n")
    code = 1
elif method == "GET":
    for first in range(0, len(comments), {page}):
        print(json.dumps(comments[first : first + {page}]))
    code = 0
elif method == "POST":
    comments.append({{"id": 1000 + len(comments), "user": {{"login": {bot!r}}}, **sent}})
    code = 0
else:
    [own] = [each for each in comments if path.endswith("/" + str(each["id"]))]
    own.update(sent)
    code = 0
state.write_text(json.dumps(kept), "utf-8")
sys.exit(code)
"""


@dataclass
class Gh:
    """The program in a folder of its own, which a test puts on PATH."""

    folder: Path
    refuses: bool = False
    comments: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True)
        self._state = self.folder / "state.json"
        kept = {"calls": [], "comments": self.comments, "refuses": self.refuses}
        self._state.write_text(json.dumps(kept), encoding="utf-8")
        program = self.folder / "gh"
        text = PROGRAM.format(python=sys.executable, state=str(self._state), page=PAGE, bot=BOT)
        program.write_text(text, encoding="utf-8")
        program.chmod(0o755)

    @property
    def calls(self) -> list[tuple[str, str, str | None]]:
        """Method, path and token of each call so far."""
        return [(method, path, token) for method, path, token in self._kept()["calls"]]

    @property
    def bodies(self) -> list[str]:
        """The comments as they stand."""
        return [each["body"] for each in self._kept()["comments"]]

    def _kept(self) -> dict[str, Any]:
        kept: dict[str, Any] = json.loads(self._state.read_text("utf-8"))
        return kept
