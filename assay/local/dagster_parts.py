"""Dagster in the local stack: its web server and its daemon, with their state in `<state_dir>/dagster`."""

from __future__ import annotations

import hashlib
import sqlite3
import sys
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from assay.errors import UsageError
from assay.local.part import HOST, Part, get_json, post_json
from assay.one_time_codes import DAGSTER_PAGE
from assay.settings import Settings

DEFINITIONS_MODULE = "orchestration.definitions"
SERVER_MODULE = "orchestration.webserver"
DAEMON_MODULE = "dagster._daemon"
"""Internal module that `dagster dev` also starts; unlike the script `dagster-daemon`, it does not depend on PATH."""
INSTANCE_FILE = Path(__file__).with_name("dagster.yaml")
EARLIER_INSTANCE_FILES = frozenset({"2c40d98ce2c5f95d11317837a24f579d9a7fa93657045c55773f952be3ea6a38"})
"""SHA-256 of the files that earlier versions wrote."""
LOAD_ERRORS = """
{ workspaceOrError { ... on Workspace { locationEntries { name loadStatus
  locationOrLoadError { __typename ... on PythonError { message causes { message } } } } } } }
"""


def webserver(settings: Settings, *, definitions_module: str = DEFINITIONS_MODULE) -> Part:
    """Dagster's web server and API; it is ready once the definitions are loaded."""
    port, token = settings.ports.dagster, settings.local_token
    return Part(
        name=DAGSTER_PAGE,
        command=(
            *(sys.executable, "-m", SERVER_MODULE, "--host", HOST, "--port", str(port)),
            *_code(settings, definitions_module),
        ),
        ports={"ASSAY_PORT_DAGSTER": port},
        url=f"http://{HOST}:{port}",
        modules=("dagster_webserver",),
        answers=lambda _: (
            get_json(port, "/server_info", token=token) is not None
            and definitions_loaded(port, definitions_module, token=token)
        ),
        prepare=lambda: write_instance(settings.state_dir / "dagster"),
        has_page=True,
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
        after=DAGSTER_PAGE,
    )


def write_instance(home: Path) -> None:
    """Writes a dagster.yaml to the folder, unless it contains one that is not of an earlier version."""
    home.mkdir(parents=True, exist_ok=True)
    path = home / "dagster.yaml"
    if not path.exists() or hashlib.sha256(path.read_bytes()).hexdigest() in EARLIER_INSTANCE_FILES:
        path.write_bytes(INSTANCE_FILE.read_bytes())


def definitions_loaded(port: int, module: str, *, token: str) -> bool:
    """True if the module has been loaded, False while it is loading.

    Raises:
        UsageError: the module cannot be loaded; the message includes the reason.
    """
    answer = post_json(port, "/graphql", {"query": LOAD_ERRORS}, token=token)
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
    if (home / "dagster.yaml").read_bytes() != INSTANCE_FILE.read_bytes():
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
