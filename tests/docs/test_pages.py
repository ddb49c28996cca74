"""Links lead somewhere, pages are as long as they may be, and what they name exists."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest
import yaml
from pydantic import BaseModel

from assay import errors
from assay.checks.registry import CHECK_TYPES
from assay.inputs.supported_expectations import SUPPORTED
from assay.runs.requests.request_stage import Interrupted
from assay.tasks.spec import TaskSpec
from tests.docs.pages import PAGES, ROOT, anchors, links, name

README_LINES = 120
DECISION_LINES = 40
REPORTING_VIEW = re.compile(r"\brpt_\w+")
VARIABLE = re.compile(r"\bASSAY_[A-Z]+(?:_[A-Z]+)*\b")
SOURCES = ("assay/**/*.py", "orchestration/**/*.py", "dbt_project/**/*.yml", "dbt_project/**/*.sql", "Makefile")
MACHINE_PATH = re.compile(r"(?<![\w.])/(?:root|home|tmp|work|Users)/")


def reference(page: str) -> str:
    return (ROOT / "docs" / "reference" / page).read_text("utf-8")


@pytest.mark.parametrize(
    ("page", "target"), list(links()), ids=lambda value: name(value) if isinstance(value, Path) else value
)
def test_every_relative_link_resolves(page: Path, target: str) -> None:
    path, _, anchor = target.partition("#")
    linked = (page.parent / path).resolve() if path else page
    assert linked.exists()
    assert not anchor or anchor in anchors(linked)


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text("utf-8").splitlines()) <= README_LINES


def test_every_decision_is_short() -> None:
    pages = [page for page in PAGES if page.parent.name == "adr"]
    assert pages and all(len(page.read_text("utf-8").splitlines()) <= DECISION_LINES for page in pages)


def test_every_reporting_view_on_the_pages_exists() -> None:
    views = {path.stem for path in (ROOT / "dbt_project" / "models" / "reporting").glob("*.sql")}
    named = {view for page in PAGES for view in REPORTING_VIEW.findall(page.read_text("utf-8"))}
    assert named == views


def test_every_exposure_depends_on_views_that_exist() -> None:
    views = {path.stem for path in (ROOT / "dbt_project" / "models").rglob("*.sql")}
    assert {view for view in _exposed() if view not in views} == set()


def test_the_page_of_tables_is_current() -> None:
    command = [sys.executable, "scripts/reference_tables.py", "--check"]
    done = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


def test_every_setting_is_on_its_page_and_none_besides() -> None:
    files = [path for pattern in SOURCES for path in ROOT.glob(pattern)]
    used = {found for path in files for found in VARIABLE.findall(path.read_text("utf-8"))}
    assert set(VARIABLE.findall(reference("settings.md"))) == used


def test_every_key_of_a_task_is_on_its_page() -> None:
    keys = {key for block in _blocks(TaskSpec) for key in block}
    assert {key for key in keys if f"`{key}`" not in reference("task.md")} == set()


def test_every_check_and_expectation_is_on_the_page_of_tasks() -> None:
    assert {kind for kind in (*CHECK_TYPES, *SUPPORTED) if f"`{kind}`" not in reference("task.md")} == set()


def test_every_exit_code_of_an_error_is_on_its_page() -> None:
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.AssayError)]
    assert all(f"| {kind.exit_code} |" in reference("exit-codes.md") for kind in (*kinds, Interrupted))


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_no_page_names_a_folder_of_a_machine(page: Path) -> None:
    assert MACHINE_PATH.findall(page.read_text("utf-8")) == []


def _exposed() -> Iterator[str]:
    for path in (ROOT / "dbt_project").rglob("*.yml"):
        for exposure in (yaml.safe_load(path.read_text("utf-8")) or {}).get("exposures", []):
            yield from re.findall(r"ref\('(\w+)'\)", " ".join(exposure["depends_on"]))


def _blocks(model: type[BaseModel]) -> Iterator[list[str]]:
    """The keys of the block and of every block within it."""
    yield list(model.model_fields)
    for block in (kind for field in model.model_fields.values() for kind in _models(field.annotation)):
        yield from _blocks(block)


def _models(annotation: object) -> Iterator[type[BaseModel]]:
    """Every block that the annotation names, also within lists and unions."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from _models(inner)
