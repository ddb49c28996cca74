"""Who works on a job's steps is one setting, and no password comes with it."""

from __future__ import annotations

import subprocess
import sys

import dagster as dg
import pytest

from assay.settings import load_settings
from orchestration.build import build_defs
from orchestration.instance.executors import celery_config, executor_of
from tests.end_to_end.workplace import Workplace

REDIS = "redis://:open-sesame@127.0.0.1:6379/0"
WITHOUT_EXTRA = """
import sys
sys.modules[sys.argv[1]] = None
from assay.errors import UsageError
from assay.settings import Settings, WorkerSettings
from orchestration.instance.executors import executor_of
from pathlib import Path
try:
    executor_of(Settings(root=Path("."), workers=WorkerSettings(executor=sys.argv[2], broker="redis://h", backend="redis://h")))
except UsageError as error:
    print(error)
"""


@pytest.mark.parametrize(
    ("setting", "executor"),
    [
        ("", "in_process"),
        ("in_process", "in_process"),
        ("multiprocess", "multiprocess"),
        ("celery", "celery"),
        ("k8s", "k8s"),
    ],
)
def test_setting_names_the_executor_of_every_job(away: Workplace, setting: str, executor: str) -> None:
    away.task("sorting")
    settings = load_settings(away.variables(ASSAY_DAGSTER_EXECUTOR=setting, ASSAY_REDIS_URL=REDIS))
    definitions = build_defs(settings=settings)
    assert definitions.resolve_job_def("sorting").executor_def.name == executor
    assert definitions.resolve_job_def("marts").executor_def.name == executor


def test_password_of_the_broker_is_in_no_configuration(away: Workplace) -> None:
    settings = load_settings(away.variables(ASSAY_DAGSTER_EXECUTOR="celery", ASSAY_REDIS_URL=REDIS))
    executor = executor_of(settings)
    assert "open-sesame" not in repr(settings) + str(celery_config(settings.workers)) + str(vars(executor))


def test_step_is_taken_off_the_queue_when_it_has_ended(away: Workplace) -> None:
    variables = away.variables(ASSAY_DAGSTER_EXECUTOR="celery", ASSAY_REDIS_URL=REDIS, ASSAY_CELERY_LOST_AFTER="40")
    config = celery_config(load_settings(variables).workers)
    assert config["task_acks_late"] and config["task_reject_on_worker_lost"]
    assert config["broker_transport_options"]["visibility_timeout"] == 40
    rabbit = celery_config(load_settings({**variables, "ASSAY_CELERY_BROKER": "pyamqp://guest@h//"}).workers)
    assert "visibility_timeout" not in rabbit["broker_transport_options"]


@pytest.mark.parametrize(("module", "extra"), [("dagster_celery", "celery"), ("dagster_k8s", "k8s")])
def test_missing_extra_is_named_with_what_installs_it(module: str, extra: str) -> None:
    command = [sys.executable, "-c", WITHOUT_EXTRA, module, extra]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert f"install the extra '{extra}': `pip install 'assay[{extra}]'`" in done.stdout, done.stderr[-2000:]


def test_kubernetes_jobs_take_what_the_launcher_has(away: Workplace) -> None:
    settings = load_settings(away.variables(ASSAY_DAGSTER_EXECUTOR="k8s"))
    executor = executor_of(settings)
    assert isinstance(executor, dg.ExecutorDefinition)
    fields = executor.config_schema.as_field().config_type.fields  # type: ignore[union-attr]
    assert {"job_namespace", "max_concurrent", "step_k8s_config"} <= set(fields)
