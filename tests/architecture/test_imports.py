"""The engine stands without Dagster: every module of it is imported while all of Dagster is out of reach.

The directions between rooms are held by import-linter, with the contracts of `pyproject.toml`.
"""

from __future__ import annotations

import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions

from tests.architecture.source import ROOT

IMPORT_ALL = """
import importlib, pathlib, sys
from importlib.abc import MetaPathFinder

class NoDagster(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0].startswith("dagster"):
            raise ImportError(f"{name} is out of reach of the engine")

sys.meta_path.insert(0, NoDagster())
for file in sorted(pathlib.Path("assay").rglob("*.py")):
    if "scaffold" not in file.parts:
        importlib.import_module(".".join(file.with_suffix("").parts).removesuffix(".__init__"))
print(len([name for name in sys.modules if name.startswith("assay.")]))
"""


def test_the_whole_engine_can_be_imported_without_dagster() -> None:
    done = subprocess.run(
        [sys.executable, "-c", IMPORT_ALL], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert int(done.stdout) > 60


def test_contracts_ban_every_dagster_package_that_is_installed() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"][
        "contracts"
    ]
    (ban,) = [contract for contract in contracts if contract["name"] == "The engine never imports Dagster"]
    installed = {name for name in packages_distributions() if name.startswith("dagster")}
    assert installed <= set(ban["forbidden_modules"])


def test_imports_between_rooms_keep_their_direction() -> None:
    done = subprocess.run(
        [sys.executable, "-c", "from importlinter.cli import lint_imports_command as lint; lint()", "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]
