"""What a right folder becomes, how a task is found, and what a scheduler sees of a broken one."""

from __future__ import annotations

import pytest

from assay.errors import UsageError
from assay.project import open_project
from assay.settings import Settings
from assay.tasks.loader import find_task, load_task, outline, task_names
from assay.tasks.task import Catalog
from tests.fakes.task_folder import TaskFolder
from tests.paths import ROOT

PROJECT = ROOT


def test_a_task_holds_its_templates_cases_and_closed_schema(folder: TaskFolder) -> None:
    task = folder.load()

    assert task.templates["system"] == "You sort texts.\n"
    assert [case.case_id for case in task.few_shot] == ["dev-1"]
    assert task.output_schema["additionalProperties"] is False


def test_a_variant_is_put_over_the_spec_and_leaves_the_rest(folder: TaskFolder) -> None:
    assert folder.load("warm").spec.parameters == {"temperature": 1, "max_tokens": 60}


def test_a_changed_output_model_is_loaded_afresh(folder: TaskFolder) -> None:
    folder.load()
    folder.edit('"billing", "other"', '"billing", "other", "refund"', file="output.py")

    assert "refund" in str(folder.load().output_schema)


def test_a_task_without_golden_cases_loads(folder: TaskFolder) -> None:
    folder.edit("  few_shot: [dev-1]\n", "")
    (folder.path / "cases.jsonl").unlink()

    assert folder.load().cases == ()


def test_tasks_are_the_folders_with_a_spec(folder: TaskFolder) -> None:
    (folder.path.parent / "drafts").mkdir()

    assert task_names(folder.path.parent) == ("sorting",)


def test_an_unknown_task_names_the_nearest(folder: TaskFolder) -> None:
    with pytest.raises(UsageError, match="expected one of sorting; did you mean 'sorting'"):
        find_task(folder.path.parent, "sortin")


def test_a_folder_without_a_spec_is_told_from_an_unknown_task(folder: TaskFolder) -> None:
    (folder.path.parent / "drafts").mkdir()

    with pytest.raises(UsageError, match=r"the folder tasks/.* has no task.yml; add it, or run `assay init TASK`"):
        find_task(folder.path.parent, "drafts")


def test_an_outline_says_when_the_task_runs_and_who_owns_it(folder: TaskFolder) -> None:
    seen = outline(folder.path)

    assert seen.schedule is not None
    assert (seen.schedule.cron, seen.owner, seen.issues) == ("0 6 * * *", "data-team", None)


@pytest.mark.parametrize("text", ["", "name: [", "- 1", "name: sorting\n", "[" * 20_000, "a: &x {b: *x}", "\0"])
def test_an_outline_of_a_broken_folder_holds_the_issues(folder: TaskFolder, text: str) -> None:
    folder.write("task.yml", text)

    seen = outline(folder.path)

    assert seen.name == "sorting"
    assert "tasks/sorting/task.yml:" in (seen.issues or "")


def test_the_shipped_task_has_enough_cases_half_of_them_hard() -> None:
    task = load_task(PROJECT / "tasks" / "support_triage", catalog=_shipped_catalog())
    hard = [case for case in task.cases if case.slices["kind"] != "plain"]

    assert len(task.cases) >= 120
    assert len(hard) >= len(task.cases) / 2
    assert {case.split for case in task.cases} == {"dev", "gate"}
    assert {case.split for case in task.few_shot} == {"dev"}


def test_no_gate_case_of_the_shipped_task_repeats_a_dev_case() -> None:
    task = load_task(PROJECT / "tasks" / "support_triage", catalog=_shipped_catalog())
    texts = {split: {case.input["message"] for case in task.cases if case.split == split} for split in ("dev", "gate")}

    assert not texts["dev"] & texts["gate"]


def _shipped_catalog() -> Catalog:

    return open_project(Settings(root=PROJECT, hash_key=b"k" * 32)).catalog()
