"""Every dialect is known by its name, and said to be."""

from __future__ import annotations

import pkgutil
from importlib import import_module

from assay.inference import dialects
from assay.inference.dialects.registry import DIALECTS
from assay.inference.endpoint.dialect import ChatDialect
from tests.paths import ROOT


def test_every_dialect_of_the_package_is_registered() -> None:
    modules = [
        import_module(f"{dialects.__name__}.{module.name}") for module in pkgutil.iter_modules(dialects.__path__)
    ]
    found = {item for module in modules for item in vars(module).values() if isinstance(item, type)}

    made = {item for item in found if issubclass(item, ChatDialect) and item is not ChatDialect}
    assert made == {type(dialect) for dialect in DIALECTS.values()}


def test_every_dialect_is_on_the_page_of_providers() -> None:
    page = (ROOT / "docs" / "how-to" / "add-a-provider.md").read_text("utf-8")

    assert {name for name in DIALECTS if f"`{name}`" not in page} == set()
