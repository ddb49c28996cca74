"""Creates a new task folder that passes validation and runs without changes."""

from __future__ import annotations

import re
import shutil
import tempfile
from pathlib import Path

from assay.errors import UsageError
from assay.tasks.files import is_present, reason

SCAFFOLD_DIR = Path(__file__).parent / "scaffold"
NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
PLACE_OF_NAME = "__TASK__"


def scaffold_task(tasks_dir: Path, name: str) -> Path:
    """Creates the folder `tasks/<name>/` atomically and returns its path.

    Raises:
        UsageError: the name is not a valid task name, or the folder exists already or cannot be created.
    """
    if not NAME.fullmatch(name):
        raise UsageError(
            f"Invalid task name {name!r}: expected lowercase letters, digits and underscores, starting with a letter, "
            "for example bank_intents"
        )
    folder = tasks_dir / name
    if is_present(folder):
        raise UsageError(f"tasks/{name} already exists", next_step="edit that folder, or choose a different name.")
    try:
        _create(folder)
    except OSError as error:
        raise UsageError(
            f"tasks/{name} cannot be created: {reason(error)}", next_step="check the permissions of tasks/."
        ) from error
    return folder


def _create(folder: Path) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".new-") as partial:
        whole = Path(partial) / folder.name
        shutil.copytree(SCAFFOLD_DIR, whole, ignore=shutil.ignore_patterns("__pycache__"))
        spec = whole / "task.yml"
        spec.write_text(spec.read_text("utf-8").replace(PLACE_OF_NAME, folder.name), "utf-8")
        whole.rename(folder)
