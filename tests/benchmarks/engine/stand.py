"""Where the engine is measured: a project with the workload's tasks, a fresh emulator, and the endpoint.

Admission happens here, before the clock starts; what a run does after it is measured by a child (`driver.py`).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

from assay.inference.prompts import PromptRenderer
from assay.project import Project, open_project
from assay.runs.admission import admit
from assay.runs.requests.cache import CACHE_FILE
from assay.runs.run import Run, RunOptions
from assay.settings import Settings, load_settings, process_environment
from assay.warehouse.client import Warehouse
from assay.warehouse.migrate import migrate
from tests.benchmarks.engine import workload
from tests.benchmarks.engine.endpoint import Endpoint, running_endpoint
from tests.emulator import running_emulator
from tests.inference.rig import request

PLAIN, CACHED, MASKED, IMPATIENT = "plain", "cached", "masked", "impatient"
IMPATIENT_S = 1.5
HASH_KEY = "benchmark" * 4


@dataclass(frozen=True, slots=True)
class Stand:
    """A project on disk whose provider is the endpoint and whose warehouse is an emulator."""

    settings: Settings
    endpoint: Endpoint

    def project(self, *, in_flight: int, batch_requests: int = 50_000) -> Project:
        """The project, with so many calls in flight, and requests in a batch, at most."""
        provider = (
            f"{workload.PROVIDER}:\n  base_url: {self.endpoint.base_url}\n  concurrency: {in_flight}\n"
            f"  batch: {{max_requests: {batch_requests}}}\n"
        )
        (self.settings.root / "providers.yml").write_text(provider, encoding="utf-8")
        return open_project(self.settings)

    def admitted(self, task: str, rows: int, *, in_flight: int, prefix: str = "r") -> Run:
        """A run over so many rows whose records are landed; no answer of another run may serve it."""
        project = self.project(in_flight=in_flight)
        for file in (self.settings.state_dir / CACHE_FILE).parent.glob("*"):
            file.unlink()
        source = workload.write_rows(self.settings.root / f"{prefix}-{rows}.csv", rows, prefix=prefix)
        options = RunOptions(data_date=datetime.now(UTC).date(), input=str(source), reuse="within 1 hours")
        return admit(project, project.task(task), options, report=lambda _: None).run

    def frame(self, task: str) -> dict[str, Any]:
        """What all request bodies of the task share; a bare loop's body is then the engine's, byte for byte.

        Raises:
            AssertionError: it is not.
        """
        loaded = self.project(in_flight=1).task(task)
        renderer = PromptRenderer(loaded, mask=lambda fields: fields)
        messages = renderer.messages({"row": workload.row_id(0), "text": workload.text(0)})
        body: dict[str, Any] = orjson.loads(renderer.body(orjson.dumps(messages), loaded.spec.routes[0], request()))
        frame = {name: value for name, value in body.items() if name not in ("model", "messages")}
        assert workload.body(0, frame) == body
        return frame

    def environment(self) -> dict[str, str]:
        """What a child process is given."""
        return {**process_environment(self.settings), "ASSAY_HASH_KEY": HASH_KEY}


@contextmanager
def standing(folder: Path, script: Path) -> Iterator[Stand]:
    """A stand in `folder`; its emulator and endpoint have ended after the block."""
    root = folder / "project"
    workload.write_task(root / "tasks", PLAIN, masking=False)
    workload.write_task(root / "tasks", CACHED, masking=False, cache=True)
    workload.write_task(root / "tasks", MASKED, masking=True, cache=True)
    workload.write_task(root / "tasks", IMPATIENT, masking=False, timeout_s=IMPATIENT_S)
    (root / "providers.yml").write_text("", encoding="utf-8")
    with running_emulator(folder / "emulator", as_shipped=True) as warehouse, running_endpoint(script) as endpoint:
        environment = {
            **os.environ,
            "ASSAY_ROOT": str(root),
            "ASSAY_HASH_KEY": HASH_KEY,
            "ASSAY_LOCAL_TOKEN": warehouse.token,
        }
        settings = replace(
            load_settings(environment), bigquery_endpoint=warehouse.rest, bigquery_grpc_endpoint=warehouse.grpc
        )
        migrate(Warehouse(settings), report=lambda _: None)
        yield Stand(settings, endpoint)
