from __future__ import annotations

from pathlib import Path

import pytest

from assay.tasks.task import Task
from tests.fakes.task_folder import TaskFolder


@pytest.fixture
def folder(tmp_path: Path) -> TaskFolder:
    return TaskFolder(tmp_path)


@pytest.fixture
def task(folder: TaskFolder) -> Task:
    return folder.load()
