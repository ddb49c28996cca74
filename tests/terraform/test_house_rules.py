"""The shape of the configuration: flat, in order, described, without what it forbids itself."""

from __future__ import annotations

import re

import pytest

from tests.terraform.workspace import CHECKOUT

FOLDER = CHECKOUT / "terraform"
FILES = sorted(FOLDER.glob("*.tf"))


def blocks(file: str, kind: str) -> dict[str, str]:
    """Name to body of the top-level blocks of a kind, in the order of the file."""
    text = (FOLDER / file).read_text("utf-8")
    return dict(re.findall(rf'^{kind} "(\w+)" \{{\n(.*?)^\}}', text, re.M | re.S))


@pytest.mark.parametrize(("file", "kind"), [("variables.tf", "variable"), ("outputs.tf", "output")])
def test_declarations_are_in_alphabetical_order_and_described(file: str, kind: str) -> None:
    declared = blocks(file, kind)
    assert declared
    assert list(declared) == sorted(declared)
    assert [name for name, body in declared.items() if "description = " not in body] == []


def test_every_variable_is_typed_and_refuses_what_its_type_lets_through() -> None:
    for name, body in blocks("variables.tf", "variable").items():
        kind = re.search(r"^  type\s+= (\w+)", body, re.M)
        assert kind, name
        assert kind[1] == "bool" or "validation {" in body, name


def test_declarations_are_in_their_own_files_only() -> None:
    elsewhere = [path for path in FILES if path.name not in ("variables.tf", "outputs.tf")]
    assert [path.name for path in elsewhere if re.search(r'^(variable|output) "', path.read_text("utf-8"), re.M)] == []


@pytest.mark.parametrize(
    "forbidden",
    [r"^\s+count\s+=", r"\brandom_", r"^module ", r"_iam_(binding|policy)\"", r"account_key\"", r"secret_version\""],
)
def test_the_configuration_has_none_of_what_it_forbids_itself(forbidden: str) -> None:
    assert [path.name for path in FILES if re.search(forbidden, path.read_text("utf-8"), re.M)] == []


def test_the_state_lives_in_a_bucket_that_is_named_at_init() -> None:
    assert 'backend "gcs" {}' in (FOLDER / "versions.tf").read_text("utf-8")


def test_the_readme_names_every_variable_and_file() -> None:
    readme = (FOLDER / "README.md").read_text("utf-8")
    wanted = [*blocks("variables.tf", "variable"), *(path.name for path in FILES)]
    assert [name for name in wanted if f"`{name}`" not in readme] == []
