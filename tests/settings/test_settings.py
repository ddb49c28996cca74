"""What the environment may say, what it means, and what it must not say."""

from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path

import pytest

from assay.errors import UsageError
from assay.settings import Ports, Settings, load_settings, require_writable_state

KEY = "k" * 32


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """An empty project."""
    (tmp_path / "tasks").mkdir()
    (tmp_path / "providers.yml").write_text("")
    return tmp_path


def loaded(root: Path, **variables: str) -> Settings:
    return load_settings({"ASSAY_ROOT": str(root), **variables})


def test_an_empty_environment_means_the_local_stack_in_dev(root: Path) -> None:
    settings = loaded(root)
    assert (settings.env, settings.project, settings.is_local) == ("dev", "assay-local", True)
    assert (settings.bigquery_endpoint, settings.bigquery_grpc_endpoint) == ("http://127.0.0.1:9050", "127.0.0.1:9060")
    assert settings.dataset("landing") == "dev_landing"


def test_an_empty_variable_is_as_good_as_none(root: Path) -> None:
    names = (
        "ASSAY_ENV",
        "ASSAY_PROJECT",
        "ASSAY_LOCATION",
        "ASSAY_HASH_KEY",
        "ASSAY_PORT_DAGSTER",
        "ASSAY_SNAPSHOT_DAYS",
    )
    assert loaded(root, **dict.fromkeys(names, "")) == loaded(root)


def test_a_project_of_one_s_own_means_bigquery(root: Path) -> None:
    settings = loaded(root, ASSAY_PROJECT="acme-data")
    assert (settings.project, settings.is_local) == ("acme-data", False)
    assert (settings.bigquery_endpoint, settings.bigquery_grpc_endpoint) == (None, None)


@pytest.mark.parametrize("one", ["ASSAY_BIGQUERY_ENDPOINT", "ASSAY_BIGQUERY_GRPC_ENDPOINT"])
def test_one_endpoint_of_two_would_split_reads_and_writes_and_is_refused(root: Path, one: str) -> None:
    with pytest.raises(UsageError, match="set both to use an emulator, or unset both to use BigQuery"):
        loaded(root, ASSAY_PROJECT="acme-data", **{one: "127.0.0.1:1"})


@pytest.mark.parametrize("env", ["dev", "staging", "prod"])
def test_every_dataset_carries_its_environment(root: Path, env: str) -> None:
    settings = loaded(root, ASSAY_ENV=env, ASSAY_PROJECT="acme-data", ASSAY_HASH_KEY=KEY)
    for name in ("landing", "staging", "intermediate", "marts", "reporting"):
        assert settings.dataset(name) == f"{env}_{name}"


def test_prod_needs_a_project(root: Path) -> None:
    with pytest.raises(UsageError, match="ASSAY_PROJECT is not set"):
        loaded(root, ASSAY_ENV="prod", ASSAY_HASH_KEY=KEY)


def test_prod_needs_a_hash_key_of_its_own(root: Path) -> None:
    with pytest.raises(UsageError, match="ASSAY_HASH_KEY is not set"):
        loaded(root, ASSAY_ENV="prod", ASSAY_PROJECT="acme-data")
    assert not (root / ".assay").exists()


def test_a_short_hash_key_is_refused(root: Path) -> None:
    with pytest.raises(UsageError, match="ASSAY_HASH_KEY has 5 characters: expected at least 32"):
        loaded(root, ASSAY_HASH_KEY="short")


def test_a_hash_key_is_made_once_for_its_owner_only(root: Path) -> None:
    first = loaded(root).hash_key
    path = root / ".assay" / "hash_key"
    assert len(first) == 64
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert loaded(root).hash_key == first == path.read_bytes()
    assert [entry.name for entry in path.parent.iterdir()] == ["hash_key"]


def test_processes_that_start_together_get_the_same_hash_key(root: Path) -> None:
    with ThreadPoolExecutor(16) as pool:
        keys = set(pool.map(lambda _: loaded(root).hash_key, range(64)))
    assert [len(key) for key in keys] == [64]


def test_a_damaged_hash_key_is_told_and_not_replaced(root: Path) -> None:
    (root / ".assay").mkdir()
    (root / ".assay" / "hash_key").write_bytes(b"half")
    with pytest.raises(UsageError, match="hash_key has 4 bytes: expected at least 32"):
        loaded(root)


def test_a_hash_key_that_cannot_be_made_is_told(root: Path) -> None:
    (root / ".assay").write_text("a file where the folder should be")
    with pytest.raises(UsageError, match=r"\.assay is a regular file: expected a folder; move away what is there"):
        loaded(root)


def test_a_hash_key_behind_a_link_to_nowhere_is_told(root: Path) -> None:
    (root / ".assay").symlink_to("nowhere/at/all")
    with pytest.raises(UsageError, match="move away what is there"):
        loaded(root)


def test_secrets_are_not_shown(root: Path) -> None:
    settings = loaded(root, ASSAY_HASH_KEY=KEY, OPENAI_API_KEY="sk-secret")
    assert settings.api_keys == {"OPENAI_API_KEY": "sk-secret"}
    assert KEY not in repr(settings)
    assert "sk-secret" not in repr(settings)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("ASSAY_ENV", "test", "expected one of dev, staging, prod"),
        ("ASSAY_PORT_DAGSTER", "0", "expected a port from 1 to 65535"),
        ("ASSAY_PORT_DAGSTER", "65536", "expected a port from 1 to 65535"),
        ("ASSAY_PORT_DAGSTER", "-1", "expected an integer"),
        ("ASSAY_PORT_DAGSTER", "8e3", "expected an integer"),
        ("ASSAY_PORT_DAGSTER", "٣٠", "expected an integer"),
        ("ASSAY_PORT_DAGSTER", "9" * 5000, "expected an integer"),
        ("ASSAY_SNAPSHOT_DAYS", "9" * 5000, "expected an integer"),
        ("ASSAY_CELERY_LOST_AFTER", "9" * 5000, "expected an integer"),
        ("ASSAY_BIGQUERY_ENDPOINT", "http://127.0.0.1:99999", "expected a valid host and a port from 1 to 65535"),
        ("ASSAY_BIGQUERY_ENDPOINT", "http://[", "expected a valid host"),
        ("ASSAY_BIGQUERY_ENDPOINT", "http://:9050", "expected a host"),
        ("ASSAY_BIGQUERY_ENDPOINT", "127.0.0.1:9050", "expected http://HOST:PORT"),
        ("ASSAY_BIGQUERY_ENDPOINT", "http://127.0.0.1:٣٠x", "expected a valid host"),
        ("ASSAY_BIGQUERY_GRPC_ENDPOINT", "127.0.0.1", "expected HOST:PORT"),
        ("ASSAY_BIGQUERY_GRPC_ENDPOINT", "127.0.0.1:99999", "expected a valid host"),
        ("ASSAY_SNAPSHOT_DAYS", "0", "expected 1 to 3650 days"),
        ("ASSAY_SNAPSHOT_DAYS", "999999999999", "expected 1 to 3650 days"),
    ],
)
def test_a_value_that_cannot_be_right_is_refused_by_name(root: Path, name: str, value: str, words: str) -> None:
    with pytest.raises(UsageError, match=rf"{name} is .*{words}") as refused:
        loaded(root, **{name: value})
    assert len(str(refused.value)) < 400


@pytest.mark.parametrize("name", ["ASSAY_REDIS_URL", "OTEL_EXPORTER_OTLP_ENDPOINT"])
def test_a_port_out_of_range_is_refused_in_every_address(root: Path, name: str) -> None:
    with pytest.raises(UsageError, match=f"{name} is not a"):
        loaded(root, **{name: f"{'redis' if 'REDIS' in name else 'http'}://127.0.0.1:99999/0"})


def test_a_state_folder_that_cannot_be_written_is_refused_before_the_work(root: Path) -> None:
    settings = loaded(root, ASSAY_HASH_KEY=KEY)
    require_writable_state(settings)
    settings.state_dir.rmdir()
    settings.state_dir.symlink_to("nowhere/at/all")
    with pytest.raises(UsageError, match=r"\.assay cannot be written: .*; it holds snapshots"):
        require_writable_state(settings)


def test_the_project_is_the_nearest_folder_upwards(root: Path) -> None:
    inner = root / "a" / "b"
    inner.mkdir(parents=True)
    assert load_settings({}, cwd=inner).root == root


def test_no_project_around_is_told_with_what_makes_one(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"which is a folder with tasks/ and providers\.yml"):
        load_settings({}, cwd=tmp_path)


@pytest.mark.parametrize("stated", ["no/such/folder", "tasks"])
def test_a_root_that_is_no_project_is_refused_and_nothing_made_there(root: Path, stated: str) -> None:
    with pytest.raises(UsageError, match=r"ASSAY_ROOT is .* expected a folder with tasks/"):
        load_settings({"ASSAY_ROOT": str(root / stated)})
    assert not list(root.rglob(".assay"))


def test_a_child_process_reads_the_same_settings(root: Path) -> None:
    settings = loaded(root, ASSAY_ENV="staging", ASSAY_PORT_DAGSTER="3999", ASSAY_LOCATION="EU")
    child = load_settings(settings.child_environment())
    for name in (
        "root",
        "env",
        "project",
        "location",
        "bigquery_endpoint",
        "bigquery_grpc_endpoint",
        "ports",
        "hash_key",
    ):
        assert getattr(child, name) == getattr(settings, name)
    assert child.ports == Ports(dagster=3999)


def test_telemetry_is_off_in_child_processes(root: Path) -> None:
    environment = loaded(root).child_environment()
    assert environment["DO_NOT_TRACK"] == "1"
    assert environment["DBT_SEND_ANONYMOUS_USAGE_STATS"] == "false"
    assert environment["DAGSTER_DISABLE_TELEMETRY"] == "yes"
    assert environment["GX_ANALYTICS_ENABLED"] == "false"


def test_a_month_s_budget_is_read_to_the_cent_and_handed_to_children(root: Path) -> None:
    settings = loaded(root, ASSAY_MONTH_BUDGET_USD="250.10")
    assert settings.month_budget_usd == Decimal("250.10")
    assert settings.child_environment()["ASSAY_MONTH_BUDGET_USD"] == "250.10"
    assert loaded(root, ASSAY_MONTH_BUDGET_USD="0").month_budget_usd == 0
    assert loaded(root).month_budget_usd is None


@pytest.mark.parametrize("value", ["-1", "ten", "1e3", "inf", "1,5", "\N{ARABIC-INDIC DIGIT FIVE}"])
def test_a_month_s_budget_that_is_no_amount_is_refused(root: Path, value: str) -> None:
    with pytest.raises(UsageError, match=r"ASSAY_MONTH_BUDGET_USD .* expected an amount in USD"):
        loaded(root, ASSAY_MONTH_BUDGET_USD=value)


def test_steps_run_in_one_process_and_state_is_of_this_machine_unless_told(root: Path) -> None:
    settings = loaded(root)
    assert settings.workers.executor == "in_process"
    assert settings.shared_dir == settings.state_dir == root / ".assay"
    assert settings.dagster_home == root / ".assay" / "dagster"


def test_celery_takes_redis_for_its_broker_and_its_results_unless_told(root: Path) -> None:
    url = "redis://:secret@127.0.0.1/0"
    workers = loaded(root, ASSAY_DAGSTER_EXECUTOR="celery", REDIS_URL=url).workers
    assert (workers.broker, workers.backend) == (url, url)
    stated = loaded(root, REDIS_URL=url, ASSAY_CELERY_BROKER="pyamqp://h//", ASSAY_CELERY_BACKEND="rpc://").workers
    assert (stated.broker, stated.backend) == ("pyamqp://h//", "rpc://")
    assert "secret" not in repr(workers)


def test_celery_without_a_broker_is_refused(root: Path) -> None:
    with pytest.raises(UsageError, match="the broker or the backend is not set; set REDIS_URL"):
        loaded(root, ASSAY_DAGSTER_EXECUTOR="celery")


def test_an_unknown_executor_is_refused(root: Path) -> None:
    with pytest.raises(UsageError, match="expected one of in_process, multiprocess, celery, k8s"):
        loaded(root, ASSAY_DAGSTER_EXECUTOR="threads")


@pytest.mark.parametrize("seconds", ["0", "4", "86401", "soon"])
def test_a_time_after_which_a_worker_is_lost_must_be_right(root: Path, seconds: str) -> None:
    with pytest.raises(UsageError, match=r"ASSAY_CELERY_LOST_AFTER is .*: expected"):
        loaded(root, ASSAY_CELERY_LOST_AFTER=seconds)


def test_a_shared_folder_holds_what_all_workers_must_see(root: Path, tmp_path: Path) -> None:
    settings = loaded(root, ASSAY_SHARED_DIR=str(tmp_path), ASSAY_HASH_KEY=KEY)
    assert settings.shared_dir == tmp_path
    assert settings.state_dir == root / ".assay"
    assert settings.child_environment()["ASSAY_SHARED_DIR"] == str(tmp_path)


def test_a_shared_folder_that_this_machine_does_not_see_is_refused(root: Path) -> None:
    with pytest.raises(UsageError, match=r"ASSAY_SHARED_DIR is .*: expected the absolute path of an existing folder"):
        loaded(root, ASSAY_SHARED_DIR=str(root / "absent"), ASSAY_HASH_KEY=KEY)


def test_several_machines_need_one_hash_key(root: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="all machines need the same key"):
        loaded(root, ASSAY_SHARED_DIR=str(tmp_path))
