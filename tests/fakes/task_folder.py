"""A small, right task folder on disk that a test changes in one place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson

from assay.project import open_project
from assay.settings import Settings
from assay.tasks.issues import TaskValidationError, ValidationIssue
from assay.tasks.loader import load_task
from assay.tasks.task import Catalog, Task

SPEC = """\
name: sorting
description: Sort a text.
owner: data-team
input:
  source: sorting.csv
  record_id: id
  fields:
    message: body
  expected:
    label: label
output:
  model: output.py:Answer
  fallback:
    label: other
prompts:
  system: system.j2
  user: user.j2
  few_shot: [dev-1]
parameters:
  temperature: 0
  max_tokens: 60
routes:
  - name: first
    provider: cheap
    model: gpt-5-nano
checks:
  - name: label_right
    type: exact_match
    field: label
  - name: mine
    type: custom
    function: checks.py:is_short
correct: [label_right]
thresholds:
  reliability: 0.8
schedule:
  cron: "0 6 * * *"
  timezone: UTC
variants:
  warm:
    parameters:
      temperature: 1
"""
OUTPUT = """\
from typing import Literal

from pydantic import BaseModel


class Answer(BaseModel):
    label: Literal["billing", "other"]


NOT_A_MODEL = 3
"""
CHECKS = """\
def is_short(subject):
    return len(subject.output["label"]) < 10
"""
PROVIDERS = """\
cheap:
  base_url: http://cheap.test/v1
  api_key_env: null
  concurrency: 2
dear:
  base_url: http://dear.test/v1
  concurrency: 2
"""


def case(case_id: str, split: str = "gate", **more: Any) -> dict[str, Any]:
    """A right golden case, with `more` put over it."""
    return {
        "case_id": case_id,
        "split": split,
        "input": {"message": f"Why {case_id}?"},
        "expected": {"label": "billing"},
        **more,
    }


class TaskFolder:
    """`tasks/sorting` under `root`, right as it stands."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.path = root / "tasks" / "sorting"
        self.path.mkdir(parents=True)
        (root / "providers.yml").write_text(PROVIDERS)
        self.write("task.yml", SPEC)
        self.write("output.py", OUTPUT)
        self.write("checks.py", CHECKS)
        self.write("system.j2", "You sort texts.\n")
        self.write("user.j2", "{% for case in few_shot %}\n{{ case.input.message }}\n{% endfor %}\n{{ message }}\n")
        self.write_cases(case("dev-1", "dev"), case("dev-2", "dev"), case("gate-1"))

    def write(self, name: str, text: str) -> None:
        """The file holds the text."""
        (self.path / name).write_text(text, "utf-8")

    def write_cases(self, *cases: object) -> None:
        """cases.jsonl holds the cases, a text as it is."""
        lines = [line if isinstance(line, str) else orjson.dumps(line).decode() for line in cases]
        self.write("cases.jsonl", "\n".join(lines) + "\n")

    def edit(self, old: str, new: str, *, file: str = "task.yml") -> None:
        """The one place where `old` stands holds `new`."""
        text = (self.path / file).read_text("utf-8")
        assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in {file}"
        self.write(file, text.replace(old, new))

    def catalog(self) -> Catalog:
        """What the project around the folder knows."""
        return open_project(Settings(root=self.root, hash_key=b"k" * 32)).catalog()

    def load(self, variant: str = "default") -> Task:
        """The task."""
        return load_task(self.path, catalog=self.catalog(), variant=variant)

    def issues(self) -> list[ValidationIssue]:
        """What the loader says is wrong, nothing if it loads."""
        try:
            self.load()
        except TaskValidationError as error:
            return list(error.issues)
        return []
