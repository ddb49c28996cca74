"""A new task folder passes its check as it is, and appears whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from assay.errors import UsageError
from assay.project import open_project
from assay.settings import Settings
from assay.tasks.loader import load_task
from assay.tasks.new_task import scaffold_task

PROVIDERS = "local:\n  base_url: http://127.0.0.1:{model_server_port}/v1\n"


def test_a_new_folder_passes_the_loader(tmp_path: Path) -> None:
    (tmp_path / "providers.yml").write_text(PROVIDERS)
    folder = scaffold_task(tmp_path / "tasks", "bank_intents")

    task = load_task(folder, catalog=open_project(Settings(root=tmp_path, hash_key=b"k" * 32)).catalog())

    assert task.name == "bank_intents"
    assert {case.split for case in task.cases} == {"dev", "gate"}


def test_the_name_stands_wherever_the_scaffold_speaks_of_the_task(tmp_path: Path) -> None:
    text = (scaffold_task(tmp_path, "bank_intents") / "task.yml").read_text("utf-8")

    assert "source: tasks/bank_intents/sample.csv" in text
    assert "__TASK__" not in text


def test_nothing_but_the_folder_is_left(tmp_path: Path) -> None:
    scaffold_task(tmp_path, "bank_intents")

    assert [path.name for path in tmp_path.iterdir()] == ["bank_intents"]


@pytest.mark.parametrize(
    "name", ["", "Bank", "bank-intents", "1st", "_x", "bank/intents", "..", "bank intents", "bank\n", "é", "a" * 64]
)
def test_a_name_that_is_none_is_refused_and_nothing_written(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="expected lowercase letters, digits and underscores"):
        scaffold_task(tmp_path, name)

    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_there_is_refused_and_left_alone(tmp_path: Path) -> None:
    mine = tmp_path / "bank_intents" / "notes.txt"
    mine.parent.mkdir()
    mine.write_text("mine")

    with pytest.raises(UsageError, match="already exists"):
        scaffold_task(tmp_path, "bank_intents")

    assert [path.name for path in mine.parent.iterdir()] == ["notes.txt"]


def test_a_folder_that_cannot_be_put_in_place_leaves_no_part_behind(tmp_path: Path) -> None:
    (tmp_path / "bank_intents").symlink_to(tmp_path / "gone")

    with pytest.raises((UsageError, OSError)):
        scaffold_task(tmp_path, "bank_intents")

    assert [path.name for path in tmp_path.iterdir()] == ["bank_intents"]
