"""The real provider is asked wherever it can be had, and its absence is said."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.terraform.workspace import Workspace, bare_environment, copy_configuration, install_real_provider


@pytest.fixture
def environment(terraform: None, tmp_path: Path) -> dict[str, str]:
    """A user whose Terraform looks for providers in one folder only."""
    copy_configuration(tmp_path)
    config = tmp_path / "terraform.rc"
    config.write_text(f'provider_installation {{\n  filesystem_mirror {{\n    path = "{tmp_path}/mirror"\n  }}\n}}\n')
    (tmp_path / "mirror").mkdir()
    return {**bare_environment(), "TF_CLI_CONFIG_FILE": str(config), "TF_PLUGIN_CACHE_DIR": str(tmp_path / "cache")}


def test_the_real_provider_accepts_the_configuration(real_workspace: Workspace) -> None:
    assert "The configuration is valid" in real_workspace.run("validate", "-no-color")


def test_a_provider_in_the_users_mirror_is_taken(environment: dict[str, str], tmp_path: Path) -> None:
    version = json.loads(subprocess.check_output(["terraform", "version", "-json"], env=environment, timeout=30))
    folder = tmp_path / "mirror/registry.terraform.io/hashicorp/google/8.7.0" / version["platform"]
    folder.mkdir(parents=True)
    (folder / "terraform-provider-google_v8.7.0").write_text("#!/bin/sh\n")
    (folder / "terraform-provider-google_v8.7.0").chmod(0o755)
    assert install_real_provider(tmp_path, environment) is None


def test_where_no_provider_is_found_the_reason_is_given(environment: dict[str, str], tmp_path: Path) -> None:
    reason = install_real_provider(tmp_path, environment)
    assert reason and "hashicorp/google" in reason
