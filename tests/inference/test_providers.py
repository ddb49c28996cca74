from __future__ import annotations

from pathlib import Path

import pytest

from assay.errors import UsageError
from assay.inference.providers import load_providers
from assay.settings import Ports, Settings
from assay.tasks.mistakes import TaskInvalid


def settings(root: Path, text: str, **keys: str) -> Settings:
    (root / "providers.yml").write_text(text)
    return Settings(root=root, ports=Ports(model_server=9999), api_keys=keys)


def test_the_port_of_the_model_server_is_put_in(tmp_path: Path) -> None:
    given = settings(tmp_path, "local:\n  base_url: http://127.0.0.1:{model_server_port}/v1/\n")

    assert load_providers(given)["local"].base_url == "http://127.0.0.1:9999/v1"


def test_mistakes_of_all_providers_are_reported_with_their_lines(tmp_path: Path) -> None:
    given = settings(
        tmp_path, "a:\n  base_url: ftp://x\nb:\n  base_url: http://b\n  concurrency: 0\nc:\n  url: http://c\n"
    )

    with pytest.raises(TaskInvalid) as error:
        load_providers(given)

    places = [(mistake.line, mistake.expected) for mistake in error.value.mistakes]
    assert [line for line, _ in places] == [2, 5, 6, 7]
    assert "`a.base_url`" in places[0][1]


def test_a_file_without_providers_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="expected provider names with their base_url"):
        load_providers(settings(tmp_path, ""))


def test_a_key_that_is_not_set_names_its_variable(tmp_path: Path) -> None:
    given = settings(tmp_path, "a:\n  base_url: http://a\n  api_key_env: A_API_KEY\n")

    with pytest.raises(UsageError, match="wants its key in A_API_KEY"):
        load_providers(given)["a"].api_key(given)


def test_a_key_comes_from_the_settings_and_an_open_endpoint_needs_none(tmp_path: Path) -> None:
    text = "a:\n  base_url: http://a\n  api_key_env: A_API_KEY\nb:\n  base_url: http://b\n"
    given = settings(tmp_path, text, A_API_KEY="secret")

    assert load_providers(given)["a"].api_key(given) == "secret"
    assert load_providers(given)["b"].api_key(given) == "none"
