"""The engine can be imported without Dagster, and every package has its place in the contracts of `pyproject.toml`."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions

from tests.architecture.source import ROOT

CONTRACTS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]["contracts"]
LAYERS = next(contract["layers"] for contract in CONTRACTS if contract["name"] == "Imports flow one way")

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
    (ban,) = [contract for contract in CONTRACTS if contract["name"] == "The engine never imports Dagster"]
    installed = {name for name in packages_distributions() if name.startswith("dagster")}
    assert installed <= set(ban["forbidden_modules"])


def test_every_package_is_in_a_layer() -> None:
    own = {f"assay.{path.stem}" for path in (ROOT / "assay").iterdir() if path.is_dir() or path.suffix == ".py"}
    assert own - {"assay.__init__", "assay.__pycache__"} == set(_packages(LAYERS)) - {"orchestration"}


def test_only_its_own_package_imports_a_module_of_statements() -> None:
    places = [*(ROOT / "assay").rglob("queries.py"), *(ROOT / "assay").rglob("queries/")]
    modules = {".".join(path.relative_to(ROOT).with_suffix("").parts) for path in places}
    protected = {
        name: contract["allowed_importers"]
        for contract in CONTRACTS
        if contract["type"] == "protected"
        for name in contract["protected_modules"]
        if name.endswith(".queries")
    }
    assert protected == {name: [name.removesuffix(".queries")] for name in modules}


def test_the_page_on_the_architecture_lists_the_layers() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    listed = page[page.index("```\norchestration") + 4 :].split("```")[0].splitlines()
    found = [line.split("  ")[0].split(" | ") for line in listed]
    assert [{name.removeprefix("assay.") for name in names} for names in found] == [
        {name.removeprefix("assay.") for name in _packages([layer])} for layer in LAYERS
    ]


def _packages(layers: list[str]) -> list[str]:
    return [name for layer in layers for name in layer.split(" | ")]


def test_imports_between_packages_keep_their_direction() -> None:
    done = subprocess.run(
        [sys.executable, "-c", "from importlinter.cli import lint_imports_command as lint; lint()", "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]
