"""Settings, read from the environment and validated; all other code receives them as values."""

from __future__ import annotations

import errno
import getpass
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from urllib.parse import urlsplit

from assay.bounds import INTEGER_DIGITS
from assay.errors import UsageError
from assay.settings.endpoints import host_issue, url_issue
from assay.settings.hash_key import hash_key
from assay.settings.local_token import (
    DBT_TOKEN_VARIABLE,
    TOKEN_VARIABLE,
    create_local_token,
    local_token,
    required_token,
)
from assay.settings.proxies import without_proxy_for_loopback
from assay.settings.secret_file import private_folder
from assay.settings.traces import TraceSettings, trace_settings

# Set before Arrow is loaded: its default allocator keeps up to 60 MB of freed memory in a run; the system's does not.
os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")

ENVIRONMENTS = ("dev", "staging", "prod")
EXECUTORS = ("in_process", "multiprocess", "celery", "k8s")
LOCAL_PROJECT = "assay-local"
MOST_DAYS = 3650
DAY_SECONDS = 86_400
SHOWN_CHARACTERS = 200


@dataclass(frozen=True, slots=True)
class Ports:
    """TCP ports of the local stack, all on 127.0.0.1."""

    bigquery_rest: int = 9050
    bigquery_grpc: int = 9060
    model_server: int = 9070
    dagster: int = 3000


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """How Dagster executes a run's steps; a Celery worker without a heartbeat for `lost_after_s` seconds counts as lost."""

    executor: str = "in_process"
    broker: str | None = field(default=None, repr=False)
    backend: str | None = field(default=None, repr=False)
    lost_after_s: int = 120


@dataclass(frozen=True, slots=True)
class Settings:
    """Settings of a process.

    `bigquery_endpoint` and `bigquery_grpc_endpoint` are None for Google's endpoints; the local stack sets both.
    `hash_key` is the key for all hashes of personal values and never leaves the process. `local_token` is what the
    servers of the local stack require; it is empty if the stack was never started. `redis_url` is None if
    processes do not share rate limits; it may contain a password. `month_budget_usd` is the maximum spending of all
    runs in a calendar month (UTC); None means no cap.
    """

    root: Path
    env: str = "dev"
    project: str = LOCAL_PROJECT
    location: str = "US"
    bigquery_endpoint: str | None = None
    bigquery_grpc_endpoint: str | None = None
    ports: Ports = field(default_factory=Ports)
    hash_key: bytes = field(default=b"", repr=False)
    local_token: str = field(default="", repr=False)
    snapshot_days: int = 30
    started_by: str = "unknown"
    redis_url: str | None = field(default=None, repr=False)
    month_budget_usd: Decimal | None = None
    api_keys: Mapping[str, str] = field(default_factory=dict, repr=False)
    traces: TraceSettings = field(default_factory=TraceSettings)
    workers: WorkerSettings = field(default_factory=WorkerSettings)
    shared: Path | None = None
    stated_dagster_home: Path | None = None

    @property
    def shared_dir(self) -> Path:
        """Data that all workers of a run need: input snapshots, and the data passed between Dagster steps."""
        return self.shared or self.state_dir

    @property
    def dagster_home(self) -> Path:
        """Folder of Dagster's configuration."""
        return self.stated_dagster_home or self.state_dir / "dagster"

    @property
    def state_dir(self) -> Path:
        """Folder of this machine's state: data of the local stack, logs, journals."""
        return self.root / ".assay"

    @property
    def tasks_dir(self) -> Path:
        """Folder of the tasks."""
        return self.root / "tasks"

    @property
    def is_local(self) -> bool:
        """True if the warehouse is an emulator, which needs no credentials."""
        return self.bigquery_endpoint is not None

    def dataset(self, name: str) -> str:
        """The dataset's name in this environment, e.g. `dev_landing`."""
        return f"{self.env}_{name}"

    def child_environment(self) -> dict[str, str]:
        """Variables that give a child process (dbt, Dagster) the same settings, with telemetry off."""
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
            "ASSAY_REDIS_URL": self.redis_url or "",
            "ASSAY_MONTH_BUDGET_USD": "" if self.month_budget_usd is None else str(self.month_budget_usd),
            "ASSAY_SHARED_DIR": str(self.shared or ""),
            "ASSAY_DAGSTER_EXECUTOR": self.workers.executor,
            "ASSAY_CELERY_BROKER": self.workers.broker or "",
            "ASSAY_CELERY_BACKEND": self.workers.backend or "",
            TOKEN_VARIABLE: self.local_token,
            DBT_TOKEN_VARIABLE: self.local_token,
            "DAGSTER_HOME": str(self.dagster_home),
        }


TELEMETRY_OFF = {
    "DAGSTER_DISABLE_TELEMETRY": "yes",
    "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
    "DO_NOT_TRACK": "1",
    "GX_ANALYTICS_ENABLED": "false",
}


def load_settings(environ: Mapping[str, str] | None = None, *, cwd: Path | None = None) -> Settings:
    """Settings of this process, from `ASSAY_*` variables and the project folder that contains `cwd`.

    Raises:
        UsageError: a variable has an invalid value, or no project folder is found.
    """
    env = os.environ if environ is None else environ
    root = find_root(env, cwd=cwd or Path.cwd())
    name = _one_of(env, "ASSAY_ENV", ENVIRONMENTS, default="dev")
    project = env.get("ASSAY_PROJECT") or LOCAL_PROJECT
    local = project == LOCAL_PROJECT
    if local and name == "prod":
        raise UsageError(
            "ASSAY_ENV is 'prod' but ASSAY_PROJECT is not set",
            next_step="set it to the Google Cloud project id of the production warehouse.",
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
        hash_key=hash_key(env, root, required=name == "prod"),
        local_token=local_token(env, root),
        snapshot_days=_days(env, "ASSAY_SNAPSHOT_DAYS", 30),
        started_by=env.get("ASSAY_STARTED_BY") or _account(),
        redis_url=_redis_url(env),
        month_budget_usd=_amount(env, "ASSAY_MONTH_BUDGET_USD"),
        api_keys={k: v for k, v in env.items() if k.endswith("_API_KEY") and v},
        traces=trace_settings(env),
        workers=_workers(env),
        shared=_shared(env),
        stated_dagster_home=Path(home) if (home := env.get("ASSAY_DAGSTER_HOME")) else None,
    )


def require_writable_state(settings: Settings) -> None:
    """Ensures that the folder of the machine's state is its owner's alone and can be written, before a command's work.

    Raises:
        UsageError: it cannot be created or written.
    """
    try:
        private_folder(folder := settings.state_dir)
        if not os.access(folder, os.W_OK | os.X_OK, effective_ids=os.access in os.supports_effective_ids):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except OSError as error:
        raise UsageError(
            f"{folder} cannot be written: {error.strerror}; it holds snapshots, journals and logs",
            next_step="correct its permissions, or move away what is not a folder.",
        ) from error


def with_local_token(settings: Settings) -> Settings:
    """The settings with the token of the project's local stack, created on first use; the state folder is then private.

    Raises:
        UsageError: its file cannot be read or created.
    """
    return replace(settings, local_token=create_local_token(settings.root, configured=settings.local_token))


def served_token() -> str:
    """The token that this process, a server of the local stack, requires.

    Raises:
        UsageError: it is not set; the server would be open to everyone on the machine.
    """
    return required_token(os.environ)


def process_environment(settings: Settings) -> dict[str, str]:
    """This process's environment with all settings set explicitly, for a child process."""
    inherited = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {**inherited, **without_proxy_for_loopback(inherited), **settings.child_environment()}


def export_environment(settings: Settings) -> None:
    """Writes the settings to this process's environment, for libraries that start child processes."""
    os.environ.update({**without_proxy_for_loopback(os.environ), **settings.child_environment()})


def find_root(environ: Mapping[str, str], *, cwd: Path) -> Path:
    """The project folder: ASSAY_ROOT, or the nearest folder from `cwd` upward with `tasks/` and `providers.yml`."""
    if stated := environ.get("ASSAY_ROOT"):
        if not _is_project(Path(stated)):
            why = _why_unreadable(stated)
            raise UsageError(
                f"ASSAY_ROOT is {_shown(stated)}: expected a folder with tasks/ and providers.yml{why}",
                next_step="set it to a project folder, or unset it.",
            )
        return Path(stated).resolve()
    for folder in (cwd, *cwd.parents):
        if _is_project(folder):
            return folder.resolve()
    raise UsageError(
        f"{cwd} is not in an Assay project, which is a folder with tasks/ and providers.yml",
        next_step="change to a project folder, or set ASSAY_ROOT.",
    )


def _is_project(folder: Path) -> bool:
    # os.path, because Path raises an error for a folder without permission and for a name that is too long.
    return os.path.isdir(folder / "tasks") and os.path.isfile(folder / "providers.yml")  # noqa: PTH112, PTH113 - see above


def _why_unreadable(folder: str) -> str:
    """Returns the reason if the folder exists and cannot be read, or if its name is invalid."""
    try:
        os.stat(os.path.join(folder, "tasks"))  # noqa: PTH116, PTH118 - see `_is_project`
    except FileNotFoundError:
        return ""
    except (OSError, ValueError) as error:
        return f" ({getattr(error, 'strerror', None) or error})"
    return ""


def _shown(value: str) -> str:
    """Returns the value of a variable for a message, truncated."""
    return repr(value) if len(value) <= SHOWN_CHARACTERS else f"{value[:SHOWN_CHARACTERS]!r}…"


def _endpoints(env: Mapping[str, str], ports: Ports, *, local: bool) -> tuple[str | None, str | None]:
    """Both endpoints of the warehouse, or None twice for Google's; a mix would split reads and writes."""
    names = ("ASSAY_BIGQUERY_ENDPOINT", "ASSAY_BIGQUERY_GRPC_ENDPOINT")
    rest, grpc = (env.get(name) or None for name in names)
    if not local and (rest is None) != (grpc is None):
        raise UsageError(
            f"Only one of {' and '.join(names)} is set",
            next_step="set both to use an emulator, or unset both to use BigQuery.",
        )
    for name, value, issue_of in ((names[0], rest, url_issue), (names[1], grpc, host_issue)):
        if value is not None and (issue := issue_of(value)):
            raise UsageError(f"{name} is {_shown(value)}: expected {issue}.")
    if local:
        return rest or f"http://127.0.0.1:{ports.bigquery_rest}", grpc or f"127.0.0.1:{ports.bigquery_grpc}"
    return rest, grpc


def _redis_url(env: Mapping[str, str]) -> str | None:
    for name in ("ASSAY_REDIS_URL", "REDIS_URL"):
        if url := env.get(name):
            if not url.startswith(("redis://", "rediss://", "unix://")) or not _has_valid_port(url):
                # The value is not shown, because it may contain a password.
                raise UsageError(
                    f"{name} is not a Redis URL: expected redis://HOST:PORT/DB, rediss://… or unix://…",
                    next_step="change it, or unset it to run without Redis.",
                )
            return url
    return None


def _has_valid_port(url: str) -> bool:
    try:
        urlsplit(url).port  # noqa: B018 - read for the ValueError it raises
    except ValueError:
        return False
    return True


def _workers(env: Mapping[str, str]) -> WorkerSettings:
    executor = _one_of(env, "ASSAY_DAGSTER_EXECUTOR", EXECUTORS, default="in_process")
    broker = env.get("ASSAY_CELERY_BROKER") or _redis_url(env)
    backend = env.get("ASSAY_CELERY_BACKEND") or _redis_url(env)
    if executor == "celery" and (broker is None or backend is None):
        raise UsageError(
            "ASSAY_DAGSTER_EXECUTOR is 'celery', but the broker or the backend is not set",
            next_step="set REDIS_URL, or both ASSAY_CELERY_BROKER and ASSAY_CELERY_BACKEND.",
        )
    lost_after_s = _integer(env, "ASSAY_CELERY_LOST_AFTER", 120)
    if not 5 <= lost_after_s <= DAY_SECONDS:
        raise UsageError(f"ASSAY_CELERY_LOST_AFTER is {lost_after_s}: expected 5 to {DAY_SECONDS} seconds.")
    return WorkerSettings(executor, broker, backend, lost_after_s)


def _shared(env: Mapping[str, str]) -> Path | None:
    if not (stated := env.get("ASSAY_SHARED_DIR")):
        return None
    if not Path(stated).is_absolute() or not Path(stated).is_dir():
        raise UsageError(
            f"ASSAY_SHARED_DIR is {stated!r}: expected the absolute path of an existing folder",
            next_step="mount the folder that all workers share, or change the path.",
        )
    if not env.get("ASSAY_HASH_KEY"):
        raise UsageError(
            "ASSAY_SHARED_DIR is set but ASSAY_HASH_KEY is not; all machines need the same key to recognize the same records",
            next_step="set it from your secret manager.",
        )
    return Path(stated)


def _one_of(env: Mapping[str, str], name: str, allowed: tuple[str, ...], *, default: str) -> str:
    value = env.get(name) or default
    if value not in allowed:
        raise UsageError(f"{name} is {value!r}: expected one of {', '.join(allowed)}.")
    return value


def _port(env: Mapping[str, str], name: str, default: int) -> int:
    value = _integer(env, name, default)
    if not 1 <= value <= 65535:
        raise UsageError(f"{name} is {value}: expected a port from 1 to 65535.")
    return value


def _days(env: Mapping[str, str], name: str, default: int) -> int:
    value = _integer(env, name, default)
    if not 1 <= value <= MOST_DAYS:
        raise UsageError(f"{name} is {value}: expected 1 to {MOST_DAYS} days.")
    return value


def _integer(env: Mapping[str, str], name: str, default: int) -> int:
    value = env.get(name) or str(default)
    if not re.fullmatch(r"\d+", value, re.ASCII) or len(value) >= INTEGER_DIGITS:
        raise UsageError(f"{name} is {_shown(value)}: expected an integer of at most {INTEGER_DIGITS - 1} digits.")
    return int(value)


def _amount(env: Mapping[str, str], name: str) -> Decimal | None:
    value = env.get(name)
    if not value:
        return None
    if not re.fullmatch(r"\d{1,9}(\.\d{1,9})?", value, re.ASCII):
        raise UsageError(
            f"{name} is {value!r}: expected an amount in USD such as 250 or 99.50",
            next_step="change it, or unset it for no cap.",
        )
    return Decimal(value)


def _account() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container without a passwd entry
        return "unknown"
