"""The token: where it comes from, and what happens to a stack that was started without it or with another one."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from assay.errors import UsageError
from assay.local import stack, state
from assay.records import Content
from assay.settings import Settings, load_settings, with_local_token
from assay.settings.local_token import required_token
from assay.warehouse.client import Warehouse
from assay.warehouse.landing import LandingWriter
from assay.warehouse.migrate import migrate
from tests.local.conftest import free_ports
from tests.local.test_emulator_server import _content
from tests.paths import ROOT

Up = Callable[..., dict[str, stack.PartStatus]]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A project's folder."""
    (tmp_path / "tasks").mkdir()
    (tmp_path / "providers.yml").write_text("openai:\n  base_url: http://127.0.0.1:9/v1\n", encoding="utf-8")
    return tmp_path


def ids(settings: Settings) -> list[str]:
    return [row["call_id"] for row in Warehouse(settings).stream("select call_id from contents")]


def land(settings: Settings, content: Content) -> None:
    migrate(Warehouse(settings), report=lambda _: None)
    LandingWriter(Warehouse(settings)).append([content])


def test_a_project_has_one_token_in_a_file_that_only_its_owner_reads(root: Path) -> None:
    (root / ".assay").mkdir(mode=0o755)
    given = {"ASSAY_ROOT": str(root)}
    assert load_settings(given).local_token == ""
    made = with_local_token(load_settings(given)).local_token
    file = root / ".assay" / "local_token"
    assert load_settings(given).local_token == made == file.read_text()
    assert len(made) == 64
    assert (file.stat().st_mode & 0o777, file.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    assert made not in repr(load_settings(given))


def test_the_variable_comes_before_the_file(root: Path) -> None:
    stated = "stated-by-the-environment-0123456789"
    settings = load_settings({"ASSAY_ROOT": str(root), "ASSAY_LOCAL_TOKEN": stated})
    assert with_local_token(settings).local_token == stated
    assert not (root / ".assay" / "local_token").exists()


@pytest.mark.parametrize("token", ["short", "x" * 257, "space in it " * 4, "line\n" * 10, "ü" * 40])
def test_a_value_that_is_no_token_is_refused_and_not_shown(root: Path, token: str) -> None:
    with pytest.raises(UsageError, match="ASSAY_LOCAL_TOKEN does not hold a valid token") as refused:
        load_settings({"ASSAY_ROOT": str(root), "ASSAY_LOCAL_TOKEN": token})
    assert token not in str(refused.value)


def test_no_server_starts_without_a_token() -> None:
    with pytest.raises(UsageError, match="ASSAY_LOCAL_TOKEN is not set"):
        required_token({})


def test_a_stack_of_an_earlier_version_is_restarted_and_keeps_its_data(settings: Settings, up: Up) -> None:
    first = up("warehouse")["warehouse"]
    land(settings, _content(1))
    launched = settings.state_dir / "run" / "warehouse.json"
    known = json.loads(launched.read_text())
    del known["token_id"]  # as an earlier version wrote it
    launched.write_text(json.dumps(known))
    assert state.read(launched) is not None
    lines: list[str] = []
    second = up("warehouse", report=lines.append)["warehouse"]
    assert second.pid != first.pid
    assert "warehouse: runs without the current token of the stack; it is restarted" in lines
    assert len(ids(settings)) == 1
    assert up("warehouse")["warehouse"].pid == second.pid


@pytest.mark.verify
def test_a_first_assay_up_makes_the_token_and_then_the_landing_tables(root: Path) -> None:
    names = ("BIGQUERY_REST", "BIGQUERY_GRPC", "MODEL_SERVER", "DAGSTER")
    ports = {f"ASSAY_PORT_{name}": str(port) for name, port in zip(names, free_ports(4), strict=True)}
    shutil.copytree(ROOT / "dbt_project", root / "dbt_project", ignore=shutil.ignore_patterns("target", "logs"))
    environment = {**os.environ, **ports, "ASSAY_ROOT": str(root), "PYTHONPATH": str(ROOT)}

    def assay(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", "from assay.cli import main; main()", *words]
        return subprocess.run(
            command, env=environment, cwd=root, capture_output=True, text=True, timeout=300, check=False
        )

    try:
        up = assay("up")
        assert up.returncode == 0, up.stderr
        token = (root / ".assay" / "local_token").read_text()
        counted = assay("query", "select count(*) as n from dev_landing.runs", "--format", "json")
        assert counted.returncode == 0, counted.stderr
        status = assay("status", "--format", "json")
        assert "Open Dagster's page, once: http://127.0.0.1:" in status.stderr
        assert token not in up.stdout + up.stderr + counted.stdout + status.stdout + status.stderr
    finally:
        assert assay("down").returncode == 0


def test_another_token_is_refused_with_the_next_step_and_taken_over_by_up(settings: Settings, up: Up) -> None:
    up("warehouse")
    land(settings, _content(1))
    changed = replace(settings, local_token="another-token-of-the-same-project-01")
    with pytest.raises(UsageError, match="token is missing or wrong") as refused:
        ids(changed)
    assert "assay up" in refused.value.next_step
    with pytest.raises(UsageError, match="token is missing or wrong"):
        LandingWriter(Warehouse(changed)).append([_content(2)])
    stack.up(changed, parts=("warehouse",), report=lambda _: None)
    assert len(ids(changed)) == 1
