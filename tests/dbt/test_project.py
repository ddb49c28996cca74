"""The project as a whole: it builds, its SQL is BigQuery's, its sources are the schema files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from assay.warehouse.dbt_sources import STAGING, data_type, generated_files, main
from assay.warehouse.schema import landing_tables
from tests.dbt.conftest import Built
from tests.dbt.project import DBT_PROJECT, ENV
from tests.emulator import PROJECT
from tests.oracles.googlesql import Analyzer, Field, NotGoogleSQL

MODELS = DBT_PROJECT / "models"
LANDING = MODELS / "staging" / "landing"
GENERATED = generated_files(LANDING)


@pytest.mark.parametrize("path", GENERATED, ids=lambda path: path.name)
def test_generated_file_equals_what_the_schema_files_render(path: Path) -> None:
    assert path.read_text(encoding="utf-8") == GENERATED[path]


def test_staging_holds_generated_files_alone() -> None:
    assert {path.relative_to(LANDING) for path in MODELS.joinpath("staging").rglob("*.*")} == {
        path.relative_to(LANDING) for path in GENERATED
    }


def test_each_model_has_one_yml_beside_it_with_its_unit_tests() -> None:
    (source,) = MODELS.rglob("_*.yml")
    assert source.name == "_landing__sources.yml"
    for path in set(MODELS.rglob("*.yml")) - {source}:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
        assert [model["name"] for model in document["models"]] == [path.stem]
        assert {test["model"] for test in document.get("unit_tests", [])} <= {path.stem}
        assert path.with_suffix(".sql").is_file()
    assert [path.name for path in MODELS.rglob("*.sql") if not path.with_suffix(".yml").is_file()] == []


def test_unit_tests_of_a_staging_model_are_kept_when_it_is_rendered_again(tmp_path: Path) -> None:
    properties = tmp_path / "stg_landing__runs.yml"
    properties.write_text("models: []\n\nunit_tests:\n  - name: one\n", encoding="utf-8")
    rendered = generated_files(tmp_path)[properties]
    assert rendered.startswith("# Generated") and rendered.endswith("\n\nunit_tests:\n  - name: one\n")


def test_stale_generated_files_are_named_and_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / STAGING).mkdir(parents=True)
    assert main([], root=tmp_path) == 1
    assert f"{STAGING}/stg_landing__runs.sql is out of date" in capsys.readouterr().err
    assert main(["--write"], root=tmp_path) == 0
    assert main([], root=tmp_path) == 0


def test_sources_have_the_names_and_descriptions_of_the_schema_files_and_no_columns() -> None:
    (source,) = yaml.safe_load((LANDING / "_landing__sources.yml").read_text(encoding="utf-8"))["sources"]
    assert source["name"] == "landing"
    assert source["tables"] == [
        {"name": schema.name, "description": f"{schema.description} Grain: {schema.grain}."}
        for schema in landing_tables().values()
    ]


def test_staging_models_have_the_columns_types_and_descriptions_of_the_schema_files(built: Built) -> None:
    have = {
        model["name"]: [(name, c["data_type"], c["description"]) for name, c in model["columns"].items()]
        for model in in_build_order(built.models)
        if model["name"].startswith("stg_landing__")
    }
    assert have == {
        f"stg_landing__{schema.name}": [(c.name, data_type(c), c.description) for c in schema.columns]
        for schema in landing_tables().values()
    }


def test_every_model_builds_on_empty_tables(built: Built) -> None:
    assert len(built.empty_run) == len(list(in_build_order(built.models)))
    assert set(built.empty_run.values()) == {"success"}


def test_every_data_test_and_unit_test_passes_on_the_scenario(built: Built) -> None:
    assert {name.split(".")[0] for name in built.full_build} == {"model", "test", "unit_test"}
    assert set(built.full_build.values()) == {"success", "pass"}


def test_every_model_is_googlesql_with_the_columns_it_declares(built: Built, analyzer: Analyzer) -> None:
    for schema in landing_tables().values():
        fields = [Field(column.name, data_type(column)) for column in schema.columns]
        analyzer.add_table(f"{PROJECT}.{ENV}_landing.{schema.name}", fields)
    for model in in_build_order(built.models):
        declared = [Field(name, column["data_type"].split("(")[0].upper()) for name, column in model["columns"].items()]
        analyzer.add_table(f"{model['database']}.{model['schema']}.{model['alias']}", declared)  # a fact reads itself
        assert sorted(analyzer.analyze(model["compiled_code"]), key=str) == sorted(declared, key=str), model["name"]


def test_every_column_is_described_and_every_model_states_its_grain(built: Built) -> None:
    models = list(in_build_order(built.models))
    assert [model["name"] for model in models if "Grain: " not in model["description"]] == []
    bare = [f"{m['name']}.{name}" for m in models for name, column in m["columns"].items() if not column["description"]]
    assert bare == []


def test_staging_reads_sources_and_nothing_else_does(built: Built) -> None:
    for model in in_build_order(built.models):
        reads_source = any(node.startswith("source.") for node in model["depends_on"]["nodes"])
        assert reads_source == model["name"].startswith("stg_landing__"), model["name"]


def test_no_model_is_longer_than_120_lines() -> None:
    long = [
        path.name
        for path in DBT_PROJECT.glob("models/**/*.sql")
        if len(path.read_text(encoding="utf-8").splitlines()) > 120
    ]
    assert long == []


def test_the_analyzer_refuses_what_bigquery_would(analyzer: Analyzer) -> None:
    with pytest.raises(NotGoogleSQL, match="nope"):
        analyzer.analyze("select nope")


def test_the_analyzer_takes_the_types_of_parameters(analyzer: Analyzer) -> None:
    assert analyzer.analyze("select @day as day", parameters={"day": "DATE"}) == [Field("day", "DATE")]


def in_build_order(models: dict[str, dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The models, each after those it reads."""
    done: set[str] = set()
    while len(done) < len(models):
        ready = [
            n
            for n in sorted(models)
            if n not in done and not set(models[n]["depends_on"]["nodes"]) & (models.keys() - done)
        ]
        for name in ready:
            yield models[name]
        done.update(ready)
