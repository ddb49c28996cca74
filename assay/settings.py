"""The only place that reads the environment; everything else receives values.

Belongs here: names of environment variables, their defaults and their checks. Clients are made elsewhere.
"""

from __future__ import annotations

import getpass
import os
import re
import secrets
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from assay.errors import UsageError

ENVIRONMENTS = ("dev", "staging", "prod")
LOCAL_PROJECT = "assay-local"
KEY_BYTES = 32
MOST_DAYS = 3650


@dataclass(frozen=True, slots=True)
class Ports:
    """TCP ports of the local stack, all on 127.0.0.1."""

    bigquery_rest: int = 9050
    bigquery_grpc: int = 9060
    model_server: int = 9070
    dagster: int = 3000


@dataclass(frozen=True, slots=True)
class Settings:
    """Values the engine is given.

    `bigquery_endpoint` and `bigquery_grpc_endpoint` are None for Google's own; the local stack sets both.
    `hash_key` keys every hash of personal values and never leaves the process.
    """

    root: Path
    env: str = "dev"
    project: str = LOCAL_PROJECT
    location: str = "US"
    bigquery_endpoint: str | None = None
    bigquery_grpc_endpoint: str | None = None
    ports: Ports = field(default_factory=Ports)
    hash_key: bytes = field(default=b"", repr=False)
    snapshot_days: int = 30
    started_by: str = "unknown"
    api_keys: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def state_dir(self) -> Path:
        """Where local state lives: data of the local stack, logs, snapshots."""
        return self.root / ".assay"

    @property
    def tasks_dir(self) -> Path:
        """Where the task folders are."""
        return self.root / "tasks"

    @property
    def is_local(self) -> bool:
        """True when the warehouse is an emulator, which takes no credentials."""
        return self.bigquery_endpoint is not None

    def dataset(self, name: str) -> str:
        """The dataset's name in this environment, e.g. `dev_landing`."""
        return f"{self.env}_{name}"

    def child_environment(self) -> dict[str, str]:
        """Variables that give a child process (dbt, Dagster) the same settings, telemetry off."""
        endpoint = self.bigquery_endpoint or ""
        return {
            **TELEMETRY_OFF,
            "ASSAY_ROOT": str(self.root),
            "ASSAY_ENV": self.env,
            "ASSAY_PROJECT": self.project,
            "ASSAY_LOCATION": self.location,
            "ASSAY_BIGQUERY_ENDPOINT": endpoint,
            "ASSAY_BIGQUERY_GRPC_ENDPOINT": self.bigquery_grpc_endpoint or "",
            "ASSAY_DBT_TARGET": "local" if endpoint else "cloud",
            "ASSAY_PORT_BIGQUERY_REST": str(self.ports.bigquery_rest),
            "ASSAY_PORT_BIGQUERY_GRPC": str(self.ports.bigquery_grpc),
            "ASSAY_PORT_MODEL_SERVER": str(self.ports.model_server),
            "ASSAY_PORT_DAGSTER": str(self.ports.dagster),
            "DAGSTER_HOME": str(self.state_dir / "dagster"),
        }


TELEMETRY_OFF = {
    "DAGSTER_DISABLE_TELEMETRY": "yes",
    "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
    "DO_NOT_TRACK": "1",
    "GX_ANALYTICS_ENABLED": "false",
}


def load_settings(environ: Mapping[str, str] | None = None, *, cwd: Path | None = None) -> Settings:
    """Settings of this process, from `ASSAY_*` variables and the project folder around `cwd`.

    Raises:
        UsageError: a variable has a value that cannot be right, or no project folder is found.
    """
    env = os.environ if environ is None else environ
    root = find_root(env, cwd=cwd or Path.cwd())
    name = _one_of(env, "ASSAY_ENV", ENVIRONMENTS, default="dev")
    project = env.get("ASSAY_PROJECT") or LOCAL_PROJECT
    local = project == LOCAL_PROJECT
    if local and name == "prod":
        raise UsageError(
            "ASSAY_ENV is 'prod' but ASSAY_PROJECT is not set: expected the project id of the production warehouse; set ASSAY_PROJECT."
        )
    ports = Ports(
        bigquery_rest=_port(env, "ASSAY_PORT_BIGQUERY_REST", 9050),
        bigquery_grpc=_port(env, "ASSAY_PORT_BIGQUERY_GRPC", 9060),
        model_server=_port(env, "ASSAY_PORT_MODEL_SERVER", 9070),
        dagster=_port(env, "ASSAY_PORT_DAGSTER", 3000),
    )
    rest, grpc = _endpoints(env, ports, local=local)
    return Settings(
        root=root,
        env=name,
        project=project,
        location=env.get("ASSAY_LOCATION") or "US",
        bigquery_endpoint=rest,
        bigquery_grpc_endpoint=grpc,
        ports=ports,
        hash_key=_hash_key(env, root, required=name == "prod"),
        snapshot_days=_days(env, "ASSAY_SNAPSHOT_DAYS", 30),
        started_by=env.get("ASSAY_STARTED_BY") or _account(),
        api_keys={k: v for k, v in env.items() if k.endswith("_API_KEY") and v},
    )


def process_environment(settings: Settings) -> dict[str, str]:
    """This process's environment with the same settings stated, for a child process."""
    inherited = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {**inherited, **settings.child_environment()}


def export_environment(settings: Settings) -> None:
    """The settings stand in this process's own environment, for libraries that start children by themselves."""
    os.environ.update(settings.child_environment())


def find_root(environ: Mapping[str, str], *, cwd: Path) -> Path:
    """The project folder: ASSAY_ROOT, else the nearest folder upwards that holds `tasks/` and `providers.yml`."""
    if stated := environ.get("ASSAY_ROOT"):
        if not _is_project(Path(stated)):
            raise UsageError(
                f"ASSAY_ROOT is {stated!r}: expected a folder with tasks/ and providers.yml; correct it, or leave it unset."
            )
        return Path(stated).resolve()
    for folder in (cwd, *cwd.parents):
        if _is_project(folder):
            return folder.resolve()
    raise UsageError(
        f"No Assay project around {cwd}: expected a folder with tasks/ and providers.yml; change into the project or set ASSAY_ROOT."
    )


def _is_project(folder: Path) -> bool:
    return (folder / "tasks").is_dir() and (folder / "providers.yml").is_file()


def _endpoints(env: Mapping[str, str], ports: Ports, *, local: bool) -> tuple[str | None, str | None]:
    """Both of the warehouse's endpoints, or None for Google's own: never one of each, which would split reads and writes."""
    names = ("ASSAY_BIGQUERY_ENDPOINT", "ASSAY_BIGQUERY_GRPC_ENDPOINT")
    rest, grpc = (env.get(name) or None for name in names)
    if local:
        return rest or f"http://127.0.0.1:{ports.bigquery_rest}", grpc or f"127.0.0.1:{ports.bigquery_grpc}"
    if (rest is None) != (grpc is None):
        raise UsageError(
            f"One of {' and '.join(names)} is set: expected both for an emulator, or none for BigQuery; set or unset both."
        )
    return rest, grpc


def _hash_key(env: Mapping[str, str], root: Path, *, required: bool) -> bytes:
    if stated := env.get("ASSAY_HASH_KEY"):
        if len(stated) < KEY_BYTES:
            raise UsageError(
                f"ASSAY_HASH_KEY has {len(stated)} characters: expected at least {KEY_BYTES}; use the secret's full value."
            )
        return stated.encode()
    if required:
        raise UsageError(
            "ASSAY_HASH_KEY is not set: in prod every hash is keyed with a secret of yours; set it from your secret manager."
        )
    path = root / ".assay" / "hash_key"
    try:
        key = path.read_bytes() if path.exists() else _new_hash_key(path)
    except OSError as error:
        raise UsageError(
            f"{path} cannot be read or made: {error.strerror}; fix its permissions, or set ASSAY_HASH_KEY."
        ) from error
    if len(key) < KEY_BYTES:
        raise UsageError(
            f"{path} holds {len(key)} bytes: expected at least {KEY_BYTES}; put it back from a copy, "
            "or remove it (hashes of earlier runs are then not found again)."
        )
    return key


def _new_hash_key(path: Path) -> bytes:
    """A key of this project's own; of several processes that make one at a time, the first wins, and none sees half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".hash_key.{secrets.token_hex(4)}")
    with open(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w", encoding="ascii") as file:
        file.write(secrets.token_hex(KEY_BYTES))
    try:
        with suppress(FileExistsError):
            os.link(draft, path)
    finally:
        draft.unlink()
    return path.read_bytes()


def _one_of(env: Mapping[str, str], name: str, allowed: tuple[str, ...], *, default: str) -> str:
    value = env.get(name) or default
    if value not in allowed:
        raise UsageError(f"{name} is {value!r}: expected one of {', '.join(allowed)}.")
    return value


def _port(env: Mapping[str, str], name: str, default: int) -> int:
    value = _whole_number(env, name, default)
    if not 1 <= value <= 65535:
        raise UsageError(f"{name} is {value}: expected a port from 1 to 65535.")
    return value


def _days(env: Mapping[str, str], name: str, default: int) -> int:
    value = _whole_number(env, name, default)
    if not 1 <= value <= MOST_DAYS:
        raise UsageError(f"{name} is {value}: expected 1 to {MOST_DAYS} days.")
    return value


def _whole_number(env: Mapping[str, str], name: str, default: int) -> int:
    value = env.get(name) or str(default)
    if not re.fullmatch(r"\d+", value):
        raise UsageError(f"{name} is {value!r}: expected a whole number.")
    return int(value)


def _account() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container without a passwd entry
        return "unknown"
