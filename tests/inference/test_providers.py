from __future__ import annotations

from pathlib import Path

import pytest

from assay.errors import UsageError
from assay.inference.dialects.registry import DEFAULT_DIALECT, DIALECTS
from assay.inference.providers import load_providers
from assay.settings import Ports, Settings
from assay.tasks.issues import TaskValidationError
from tests.fakes.second_dialect import SecondDialect


def settings(root: Path, text: str, **keys: str) -> Settings:
    (root / "providers.yml").write_text(text)
    return Settings(root=root, ports=Ports(model_server=9999), api_keys=keys)


def test_the_port_of_the_model_server_is_put_in(tmp_path: Path) -> None:
    given = settings(tmp_path, "local:\n  base_url: http://127.0.0.1:{model_server_port}/v1/\n")

    assert load_providers(given)["local"].base_url == "http://127.0.0.1:9999/v1"


def test_issues_of_all_providers_are_reported_with_their_lines(tmp_path: Path) -> None:
    given = settings(
        tmp_path, "a:\n  base_url: ftp://x\nb:\n  base_url: http://b\n  concurrency: 0\nc:\n  url: http://c\n"
    )

    with pytest.raises(TaskValidationError) as error:
        load_providers(given)

    places = [(issue.line, issue.problem) for issue in error.value.issues]
    assert [line for line, _ in places] == [2, 5, 6, 7]
    assert "`a.base_url`" in places[0][1]


def test_a_file_without_providers_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        UsageError, match="does not map provider names to their settings; add a provider with its base_url"
    ):
        load_providers(settings(tmp_path, ""))


def test_a_key_that_is_not_set_names_its_variable(tmp_path: Path) -> None:
    given = settings(tmp_path, "a:\n  base_url: http://a\n  api_key_env: A_API_KEY\n")

    with pytest.raises(UsageError, match="A_API_KEY is not set; it holds the API key of provider 'a'"):
        load_providers(given)["a"].api_key(given)


def test_a_key_comes_from_the_settings_and_an_open_endpoint_needs_none(tmp_path: Path) -> None:
    text = "a:\n  base_url: http://a\n  api_key_env: A_API_KEY\nb:\n  base_url: http://b\n"
    given = settings(tmp_path, text, A_API_KEY="secret")

    assert load_providers(given)["a"].api_key(given) == "secret"
    assert load_providers(given)["b"].api_key(given) == "none"


@pytest.mark.parametrize("key", ["sk-1\n", " sk-1 ", "sk-1\r\n"])
def test_white_space_around_a_key_is_not_part_of_it(tmp_path: Path, key: str) -> None:
    given = settings(tmp_path, "a:\n  base_url: http://a\n  api_key_env: A_API_KEY\n", A_API_KEY=key)

    assert load_providers(given)["a"].api_key(given) == "sk-1"


@pytest.mark.parametrize("key", ["sk\r\nX-Other: 1", "clé", "sk\x00", "sk-\u200b1"])
def test_a_key_that_no_header_can_carry_is_refused_without_being_shown(tmp_path: Path, key: str) -> None:
    given = settings(tmp_path, "a:\n  base_url: http://a\n  api_key_env: A_API_KEY\n", A_API_KEY=key)

    with pytest.raises(
        UsageError, match=r"A_API_KEY, the API key .* contains a character that is not printable"
    ) as refused:
        load_providers(given)["a"].api_key(given)
    assert key not in str(refused.value)


@pytest.mark.parametrize("url", ["http://a/v1?version=1", "http://a/v1#x", "http://a?x=/v1", "http:///v1"])
def test_an_address_to_which_no_path_can_be_added_is_refused(tmp_path: Path, url: str) -> None:
    with pytest.raises(TaskValidationError, match="base_url"):
        load_providers(settings(tmp_path, f"a:\n  base_url: '{url}'\n"))


@pytest.mark.parametrize("port", ["99999", "x", "-1"])
def test_a_port_that_does_not_exist_is_an_issue_of_the_file(tmp_path: Path, port: str) -> None:
    (tmp_path / "tasks").mkdir()
    (tmp_path / "providers.yml").write_text(f"far:\n  base_url: http://far.test:{port}/v1\n", encoding="utf-8")

    with pytest.raises(TaskValidationError) as found:
        load_providers(Settings(root=tmp_path))

    assert "port" in str(found.value)


def test_a_provider_speaks_the_dialect_that_it_names_and_else_the_first(tmp_path: Path) -> None:
    text = "a:\n  base_url: http://a\n  dialect: openai_chat\nb:\n  base_url: http://b\n"
    providers = load_providers(settings(tmp_path, text))

    assert providers["a"].dialect is providers["b"].dialect is DEFAULT_DIALECT


def test_a_dialect_that_there_is_not_is_named_with_those_that_there_are(tmp_path: Path) -> None:
    given = settings(tmp_path, "a:\n  base_url: http://a\n  dialect: telex\n")

    with pytest.raises(
        TaskValidationError, match=r"providers.yml:3: expected `a.dialect` to be one of openai_chat; found 'telex'"
    ):
        load_providers(given)


def test_a_batch_block_of_a_dialect_without_batches_is_refused(tmp_path: Path) -> None:
    given = settings(tmp_path, "a:\n  base_url: http://a\n  dialect: second\n  batch: {}\n")

    with pytest.raises(TaskValidationError, match=r"providers.yml:4: expected no `a.batch`, .* dialect second; found"):
        load_providers(given, dialects={**DIALECTS, "second": SecondDialect()})
