"""Dagster in the local stack: its web server and its daemon, with their state in `<state_dir>/dagster`."""

from __future__ import annotations

import sqlite3
import sys
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from assay.errors import UsageError
from assay.local.part import HOST, Part, get_json, post_json
from assay.settings import Settings

DEFINITIONS_MODULE = "orchestration.definitions"
DAEMON_MODULE = "dagster._daemon"
"""Internal module that `dagster dev` also starts; unlike the script `dagster-daemon`, it does not depend on PATH."""
INSTANCE_FILE = """\
telemetry:
  enabled: false
storage:
  sqlite:
    base_dir:
      env: DAGSTER_HOME
concurrency:
  pools:
    granularity: op
    default_limit: 1
"""
LOAD_ERRORS = """
{ workspaceOrError { ... on Workspace { locationEntries { name loadStatus
  locationOrLoadError { __typename ... on PythonError { message causes { message } } } } } } }
"""


def webserver(settings: Settings, *, definitions_module: str = DEFINITIONS_MODULE) -> Part:
    """Dagster's web server and API; it is ready once the definitions are loaded."""
    port = settings.ports.dagster
    return Part(
        name="dagster-webserver",
        command=(
            *(sys.executable, "-m", "dagster_webserver", "--host", HOST, "--port", str(port)),
            *_code(settings, definitions_module),
        ),
        ports={"ASSAY_PORT_DAGSTER": port},
        url=f"http://{HOST}:{port}",
        modules=("dagster_webserver",),
        answers=lambda _: get_json(port, "/server_info") is not None and definitions_loaded(port, definitions_module),
        prepare=lambda: write_instance(settings.state_dir / "dagster"),
    )


def daemon(settings: Settings, *, definitions_module: str = DEFINITIONS_MODULE) -> Part:
    """Dagster's daemon (schedules, sensors, run queue); it is ready once its storage contains a heartbeat.

    It starts after the web server, because two processes that create the same tables concurrently conflict.
    """
    home = settings.state_dir / "dagster"
    return Part(
        name="dagster-daemon",
        command=(sys.executable, "-m", DAEMON_MODULE, "run", *_code(settings, definitions_module)),
        ports={},
        url=None,
        modules=("dagster",),
        answers=lambda launched_at: has_heartbeat(home, since=launched_at),
        prepare=lambda: write_instance(home),
        after="dagster-webserver",
    )


def write_instance(home: Path) -> None:
    """Writes a dagster.yaml to the folder unless it exists already."""
    home.mkdir(parents=True, exist_ok=True)
    path = home / "dagster.yaml"
    if not path.exists():
        path.write_text(INSTANCE_FILE, encoding="utf-8")


def definitions_loaded(port: int, module: str) -> bool:
    """True if the module has been loaded, False while it is loading.

    Raises:
        UsageError: the module cannot be loaded; the message includes the reason.
    """
    answer = post_json(port, "/graphql", {"query": LOAD_ERRORS})
    entries = ((answer or {}).get("data") or {}).get("workspaceOrError", {}).get("locationEntries")
    if not entries or any(entry["loadStatus"] != "LOADED" for entry in entries):
        return False
    for entry in entries:
        found = entry["locationOrLoadError"]
        if found["__typename"] == "PythonError":
            raise UsageError(
                f"dagster-webserver is running on port {port}, but cannot load {module}: {_cause(found)}",
                next_step="fix the module; then reload it on Dagster's Deployment page, or run `assay down` and `assay up`.",
            )
    return True


def has_heartbeat(home: Path, *, since: float) -> bool:
    """True if a daemon has written a heartbeat since `since` (Unix seconds), or if dagster.yaml was changed."""
    if (home / "dagster.yaml").read_text(encoding="utf-8") != INSTANCE_FILE:
        return True
    path = home / "history" / "runs.db"
    if not path.exists():
        return False
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=1)) as storage:
            latest = storage.execute("select max(timestamp) from daemon_heartbeats").fetchone()[0]
    except sqlite3.OperationalError:  # the table is being created or is temporarily locked
        return False
    return latest is not None and datetime.fromisoformat(latest).replace(tzinfo=UTC).timestamp() >= since - 1


def _code(settings: Settings, module: str) -> tuple[str, ...]:
    return ("--module-name", module, "--working-directory", str(settings.root))


def _cause(error: dict[str, Any]) -> str:
    # The outer error only repeats the module name; the innermost one states the cause.
    innermost = error["causes"][-1] if error["causes"] else error
    lines = [line.strip() for line in str(innermost["message"]).splitlines() if line.strip()]
    return lines[-1] if lines else "Dagster states no reason"
