"""The warehouse of the local stack: a BigQuery emulator, with its data in `<state_dir>/bigquery`."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from assay.errors import UsageError, foreign_text
from assay.local.part import HOST, Explanation, Part, get_json, is_open
from assay.settings import Settings

LOCKED = re.compile(r"Could not set lock on file \\*\"([^\"\\]+).*?PID (\d+)", re.DOTALL)


SERVER_MODULE = "assay.local.emulator_server"


def warehouse(settings: Settings, *, module: str = SERVER_MODULE) -> Part:
    """The emulator as a service of the stack: its data is persistent, its two APIs listen on this machine only."""
    ports, token = settings.ports, settings.local_token
    folder = settings.state_dir / "bigquery"
    return Part(
        name="warehouse",
        command=(
            *(sys.executable, "-m", module, "start", "--persistent"),
            *("--data-dir", str(folder), "--project", settings.project, "--log-level", "warning"),
            *("--rest-host", HOST, "--rest-port", str(ports.bigquery_rest)),
            *("--grpc-host", HOST, "--grpc-port", str(ports.bigquery_grpc)),
        ),
        ports={"ASSAY_PORT_BIGQUERY_REST": ports.bigquery_rest, "ASSAY_PORT_BIGQUERY_GRPC": ports.bigquery_grpc},
        url=f"http://{HOST}:{ports.bigquery_rest}",
        modules=(module, "bqemulator", "duckdb", "duckdb_extensions", "duckdb_extension_spatial"),
        answers=lambda _: (
            get_json(ports.bigquery_rest, "/readyz", token=token) is not None and is_open(ports.bigquery_grpc)
        ),
        prepare=install_spatial,
        explain=explain_lock,
        grace_seconds=30.0,  # on shutdown it merges its write-ahead log into the data file
    )


def install_spatial() -> None:
    """Installs DuckDB's spatial extension in the user's DuckDB folder, from a Python package instead of the network.

    Raises:
        UsageError: the package contains no extension for this DuckDB version, or the folder cannot be written.
    """
    import duckdb
    from duckdb_extensions import import_extension

    with duckdb.connect(":memory:") as connection:
        try:
            import_extension("spatial", con=connection)
        except duckdb.Error as error:
            raise UsageError(
                f"warehouse cannot start: DuckDB {duckdb.__version__} cannot install its spatial extension "
                f"({foreign_text(error)})",
                next_step="run `uv sync --group local`, and make sure that ~/.duckdb is writable.",
            ) from error


def explain_lock(log_text: str) -> Explanation | None:
    """Returns an explanation if the log says that another process has locked the data file, otherwise None."""
    if not (found := LOCKED.search(log_text)):
        return None
    path, pid = found.groups()
    return Explanation(
        f"its data file {Path(path)} is in use by process {pid}",
        next_step="stop that process, which is a second emulator for the same data",
    )
