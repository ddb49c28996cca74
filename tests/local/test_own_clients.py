"""Every example of the page about own clients runs against a stack, as it stands there but for the ports."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from assay.local import stack
from assay.settings import Settings
from assay.warehouse.client import Warehouse
from assay.warehouse.migrate import migrate
from tests.emulator import TOKEN
from tests.local.conftest import end, local_settings
from tests.paths import ROOT

PAGE = ROOT / "docs/how-to/connect-your-own-clients.md"
EXAMPLES = re.findall(r"^```(python|bash)\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
EXPECTED = ("[1]", "tables/runs", "role='assistant'", "dev_landing", '"rows":[{"f":[{"v":"1"}]}]', "All checks passed")


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    settings = local_settings(tmp_path_factory.mktemp("clients"))
    stack.up(settings, parts=("warehouse", "model"), report=lambda _: None)
    migrate(Warehouse(settings), report=lambda _: None)
    (settings.root / ".assay" / "local_token").write_text(TOKEN)
    shutil.copytree(
        ROOT / "dbt_project", settings.root / "dbt_project", ignore=shutil.ignore_patterns("target", "logs")
    )
    yield settings
    end(settings)


@pytest.mark.parametrize(("example", "expected"), list(zip(EXAMPLES, EXPECTED, strict=True)))
def test_an_example_of_the_page_runs(running: Settings, example: tuple[str, str], expected: str) -> None:
    language, text = example
    ports = running.ports
    moved = {"9050": ports.bigquery_rest, "9060": ports.bigquery_grpc, "9070": ports.model_server}
    text = re.sub(r"127\.0\.0\.1:(\d{4})", lambda found: f"127.0.0.1:{moved[found[1]]}", text)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "DO_NOT_TRACK": "1"}
    environment["ASSAY_BIGQUERY_ENDPOINT"] = f"http://127.0.0.1:{ports.bigquery_rest}"
    command = [sys.executable, "-c", text] if language == "python" else ["bash", "-c", text]
    done = subprocess.run(
        command, cwd=running.root, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert expected in done.stdout
    assert TOKEN not in done.stdout + done.stderr
