"""Writes a new task folder that passes validation and runs unchanged."""

from __future__ import annotations

import re
import shutil
import tempfile
from pathlib import Path

from assay.errors import UsageError

SCAFFOLD_DIR = Path(__file__).parent / "scaffold"
NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
PLACE_OF_NAME = "__TASK__"


def scaffold_task(tasks_dir: Path, name: str) -> Path:
    """Returns the new folder `tasks/<name>/`, complete: it appears when every file is written.

    Raises:
        UsageError: the name is not valid for a task, or the folder exists.
    """
    if not NAME.fullmatch(name):
        raise UsageError(
            f"Task name {name!r}: expected lower-case letters, digits and underscores, a letter first, e.g. bank_intents."
        )
    folder = tasks_dir / name
    if folder.exists():
        raise UsageError(
            f"tasks/{name} is there already: expected a new name", next_step="edit that folder, or choose another name."
        )
    tasks_dir.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=tasks_dir, prefix=".new-") as partial:
        whole = Path(partial) / name
        shutil.copytree(SCAFFOLD_DIR, whole, ignore=shutil.ignore_patterns("__pycache__"))
        spec = whole / "task.yml"
        spec.write_text(spec.read_text("utf-8").replace(PLACE_OF_NAME, name), "utf-8")
        whole.rename(folder)
    return folder
