"""A copy of what `terraform/` needs, in which the real `terraform` binary is run.

Belongs here: the copy, the commands, the search for the real provider. What is asserted belongs to the tests.
"""

from __future__ import annotations

import json
import os
import selectors
import shutil
import subprocess
import textwrap
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.paths import ROOT

CHECKOUT = ROOT
VARIABLES = {
    "env": "dev",
    "impersonators": {
        "dashboard": ["user:ada@example.com"],
        "runner": ["serviceAccount:acme-assay.svc.id.goog[assay/runner]"],
    },
    "input_datasets": ["acme-analytics.support"],
    "project": "acme-assay",
}
COMMAND_SECONDS = 120
SEARCH_SECONDS = 5
DOWNLOAD_SECONDS = 300
_GENERATED = shutil.ignore_patterns(".terraform*", "*.tfstate*", "backend_override.tf")
_FOUND = ("- Installing hashicorp/google", "- Using hashicorp/google", "- Using previously-installed hashicorp/google")


@dataclass(frozen=True, slots=True)
class Workspace:
    """A folder with terraform/ and the files that it reads, and the variables its commands run under."""

    root: Path
    environment: Mapping[str, str]

    @property
    def folder(self) -> Path:
        """The copy of terraform/."""
        return self.root / "terraform"

    def run(self, *arguments: str, accept: tuple[int, ...] = (0,)) -> str:
        """Output of `terraform ARGUMENTS`, stdout and stderr; fails the test on another exit code."""
        done = subprocess.run(
            ["terraform", *arguments],
            cwd=self.folder,
            env=dict(self.environment),
            capture_output=True,
            text=True,
            timeout=COMMAND_SECONDS,
            check=False,
        )
        output = done.stdout + done.stderr
        assert done.returncode in accept, f"terraform {' '.join(arguments)} ended with {done.returncode}:\n{output}"
        return output

    def plan(self, variables: Mapping[str, Any]) -> dict[str, Any]:
        """The plan for an empty project as Terraform's JSON."""
        (self.folder / "test.auto.tfvars.json").write_text(json.dumps(variables), encoding="utf-8")
        self.run("plan", "-input=false", "-no-color", "-out=plan")
        planned: dict[str, Any] = json.loads(self.run("show", "-json", "plan"))
        return planned

    def replace(self, old: str, new: str) -> None:
        """Changes the one .tf file that holds `old`."""
        [file] = [path for path in self.folder.glob("*.tf") if old in path.read_text("utf-8")]
        file.write_text(file.read_text("utf-8").replace(old, new, 1), encoding="utf-8")


def copy_configuration(root: Path) -> None:
    """Puts terraform/ and the files it reads under `root`, laid out as in the checkout, with its state in a file."""
    shutil.copytree(CHECKOUT / "terraform", root / "terraform", ignore=_GENERATED)
    shutil.copytree(CHECKOUT / "assay/warehouse/schemas", root / "assay/warehouse/schemas")
    shutil.copy(CHECKOUT / "providers.yml", root)
    override = 'terraform {\n  backend "local" {}\n}\n'
    (root / "terraform/backend_override.tf").write_text(override, encoding="utf-8")


def bare_environment() -> dict[str, str]:
    """The process's environment without anything that leads Terraform to an account, a registry or a log."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("TF_", "GOOGLE_", "CLOUDSDK_"))}
    return {**kept, "TF_CLI_CONFIG_FILE": os.devnull, "CHECKPOINT_DISABLE": "1", "TF_IN_AUTOMATION": "1"}


def install_real_provider(root: Path, environ: Mapping[str, str]) -> str | None:
    """None if `terraform init` in `root` got the real provider, else why not.

    Follows the user's own mirrors and plugin cache. Gives up after SEARCH_SECONDS without a source; a download that
    has begun may take DOWNLOAD_SECONDS.
    """
    cache = Path(environ.get("TF_PLUGIN_CACHE_DIR") or CHECKOUT / ".assay/cache/terraform/plugins")
    cache.mkdir(parents=True, exist_ok=True)
    quick = {"CHECKPOINT_DISABLE": "1", "TF_REGISTRY_DISCOVERY_RETRY": "0", "TF_REGISTRY_CLIENT_TIMEOUT": "3"}
    with subprocess.Popen(
        ["terraform", "init", "-input=false", "-no-color"],
        cwd=root / "terraform",
        env={**environ, **quick, "TF_PLUGIN_CACHE_DIR": str(cache)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as init:
        assert init.stdout is not None
        heard = _listen(init.stdout.fileno(), seconds=SEARCH_SECONDS)
        if not any(line.startswith(_FOUND) for line in heard):
            init.kill()
            return _reason(heard)
        try:
            rest, _ = init.communicate(timeout=DOWNLOAD_SECONDS)
        except subprocess.TimeoutExpired:
            init.kill()
            return f"the download did not end within {DOWNLOAD_SECONDS} s"
        return None if init.returncode == 0 else _reason([*heard, *rest.splitlines()])


def _listen(stream: int, *, seconds: float) -> list[str]:
    """Lines until the provider is found, the stream ends or the time is over."""
    heard = ""
    until = time.monotonic() + seconds
    with selectors.DefaultSelector() as selector:
        selector.register(stream, selectors.EVENT_READ)
        while selector.select(max(0.0, until - time.monotonic())):
            # Read past Python's buffer: a line in it would not wake the selector again.
            part = os.read(stream, 65536).decode(errors="replace")
            heard += part
            if not part or any(line.startswith(_FOUND) for line in heard.splitlines()):
                break
    return [line.strip() for line in heard.splitlines()]


def _reason(lines: list[str]) -> str:
    """What is said after `Error:`, or that nothing was heard in time."""
    for at, line in enumerate(lines):
        if line.startswith("Error:"):
            return textwrap.shorten(" ".join(lines[at + 1 :]), width=300, placeholder=" ...")
    return f"terraform init found no source of it within {SEARCH_SECONDS} s"
