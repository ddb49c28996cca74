"""Makes `google.schema.json`: what the Google provider knows about the resources of `terraform/`.

The source is a Python package of bindings that is generated from the provider, because a package index is reachable
where Terraform's registry may be not. The wheel is only read, nothing in it is run. Needed again when `terraform/` uses
another resource (add it to RESOURCES) or a newer provider. From the root of the checkout:

    uv tool run pip download --no-deps --dest .assay/cache/terraform cdktn-provider-google==21.1.0
    uv run python -m tests.terraform.extract_schema .assay/cache/terraform/cdktn_provider_google-*.whl

The result has the form of `terraform providers schema -json`, for the named resources only and without documentation.
"""

from __future__ import annotations

import io
import json
import re
import sys
import tarfile
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Self

from tests.terraform.offline_provider import SOURCE

TARGET = Path(__file__).with_name("google.schema.json")
RESOURCES = (
    "google_bigquery_dataset",
    "google_bigquery_dataset_access",
    "google_bigquery_dataset_iam_member",
    "google_bigquery_table",
    "google_project_iam_member",
    "google_project_service",
    "google_secret_manager_secret",
    "google_secret_manager_secret_iam_member",
    "google_service_account",
    "google_service_account_iam_member",
)
_PRIMITIVES = {"string": "string", "number": "number", "boolean": "bool"}
_GETTERS: dict[str, Any] = {
    "getAnyMapAttribute": ["map", "string"],
    "getBooleanAttribute": "bool",
    "getBooleanMapAttribute": ["map", "bool"],
    "getListAttribute": ["list", "string"],
    "getNumberAttribute": "number",
    "getNumberListAttribute": ["list", "number"],
    "getNumberMapAttribute": ["map", "number"],
    "getStringAttribute": "string",
    "getStringMapAttribute": ["map", "string"],
    "BooleanMap": ["map", "bool"],
    "NumberMap": ["map", "number"],
    "StringMap": ["map", "string"],
}


class Argument(NamedTuple):
    """How an argument is written to HCL: a block or a value, its container and its element."""

    is_block: bool
    container: str
    storage: str
    code: str


class Member(NamedTuple):
    """One argument or attribute of a binding's class, with the flags the provider gives it."""

    name: str
    flags: dict[str, bool]
    code: str


@dataclass(frozen=True)
class Bindings:
    """The generated code of one resource."""

    classes: Mapping[str, str]
    arguments: Mapping[str, Mapping[str, Argument]]

    @classmethod
    def read(cls, javascript: str) -> Self:
        """The parts of a resource's `index.js` that tell its schema."""
        classes = re.finditer(r"^class (\w+) extends [\w.]+ \{\n(.*?)^\}", javascript, re.M | re.S)
        functions = re.finditer(r"^function (\w+)ToHclTerraform\(struct\) \{\n(.*?)^\}", javascript, re.M | re.S)
        return cls(
            classes={found[1]: found[2] for found in classes},
            arguments={found[1]: _arguments(found[2]) for found in functions},
        )

    def resource(self, name: str) -> dict[str, Any]:
        """The schema of the class that stands for the resource."""
        class_name = next(key for key, body in self.classes.items() if f'tfResourceType = "{name}"' in body)
        written = self.classes[class_name].partition("synthesizeHclAttributes() {")[2]
        return {"version": 0, "block": self._block(class_name, _arguments(written))}

    def _block(self, class_name: str, arguments: Mapping[str, Argument]) -> dict[str, Any]:
        attributes, blocks = {}, {}
        for member in _members(self.classes[class_name]):
            argument = arguments.get(member.name)
            if argument and (argument.is_block or argument.container == "struct"):
                blocks[member.name] = self._nested(member, argument)
            else:
                attributes[member.name] = {"type": self._type(member, argument), **member.flags}
        return {"attributes": attributes, "block_types": blocks}

    def _nested(self, member: Member, argument: Argument) -> dict[str, Any]:
        made = _first(r"= new (?:\w+\.)?(\w+)\(", member.code)
        name = re.sub(r"(OutputReference|List|Map)$", "", made)
        arguments = self.arguments[name[0].lower() + name[1:]]
        single = argument.container == "struct"
        nested: dict[str, Any] = {
            "nesting_mode": "single" if single else argument.container,
            "block": self._block(f"{name}OutputReference", arguments),
        }
        if member.flags.get("required"):
            nested["min_items"] = 1
        if made.endswith("OutputReference") and not single:
            nested["max_items"] = 1
        return nested

    def _type(self, member: Member, argument: Argument | None) -> Any:
        if argument and argument.container == "simple" and argument.storage in _PRIMITIVES:
            return _PRIMITIVES[argument.storage]
        element = _PRIMITIVES.get(re.sub(r"(List|Map|Set)$", "", argument.storage)) if argument else None
        if argument and element:
            return [argument.container, element]
        return self._computed_type(member)

    def _computed_type(self, member: Member) -> Any:
        made = re.search(r"= new (?:\w+\.)?(\w+)\(this, \"\w+\"(?:, (true|false))?", member.code)
        if made is None:
            getter = re.search(r"(tolist\()?this\.(get\w+)\('", member.code)
            found = _GETTERS[getter[2]] if getter else "string"
            return ["set", found[1]] if getter and getter[1] and found[0] == "list" else found
        if made[1] in _GETTERS:
            return _GETTERS[made[1]]
        inner = self.classes[re.sub(r"(OutputReference|List|Map)$", "", made[1]) + "OutputReference"]
        fields = {field.name: self._computed_type(field) for field in _members(inner)}
        return ["set" if made[2] == "true" else "list", ["object", fields]]


def _arguments(body: str) -> dict[str, Argument]:
    value = r"value: (.*),\n\s+isBlock: (\w+),\n\s+type: \"(\w+)\",\n\s+storageClassType: \"(\w+)\","
    pattern = rf"^ {{8,12}}(\w+): \{{\n\s+{value}"
    return {m[1]: Argument(m[3] == "true", m[4], m[5], m[2]) for m in re.finditer(pattern, body, re.M)}


def _members(body: str) -> Iterator[Member]:
    parts = re.split(r"^ {4}// (\w+) - computed: (\w+), optional: (\w+), required: (\w+)\n", body, flags=re.M)
    for at in range(1, len(parts), 5):
        stated = zip(("computed", "optional", "required"), parts[at + 1 : at + 4], strict=True)
        yield Member(parts[at], {flag: True for flag, value in stated if value == "true"}, parts[at + 4])


def _first(pattern: str, code: str) -> str:
    found = re.search(pattern, code)
    if found is None:
        raise ValueError(f"bindings of another form: expected {pattern} in {code.strip()[:120]!r}")
    return found[1]


def _provider(arguments: Mapping[str, Argument], functions: Mapping[str, Mapping[str, Argument]]) -> dict[str, Any]:
    """The provider's own block: its class has plain values, so everything comes from how they are written."""
    attributes: dict[str, Any] = {}
    blocks: dict[str, Any] = {}
    for name, argument in arguments.items():
        if argument.is_block:
            inner = functions[_first(r"(\w+)ToHclTerraform", argument.code)]
            blocks[name] = {"nesting_mode": "list", "max_items": 1, "block": _provider(inner, functions)}
        elif name != "alias":
            element = _PRIMITIVES.get(re.sub(r"(List|Map|Set)$", "", argument.storage), "string")
            value_type = element if argument.container == "simple" else [argument.container, element]
            attributes[name] = {"type": value_type, "optional": True}
    return {"attributes": attributes, "block_types": blocks}


def _sources(wheel: Path, resources: tuple[str, ...]) -> dict[str, str]:
    """Resource, or "provider", to its `index.js`."""
    folders = {resource.removeprefix("google_").replace("_", "-"): resource for resource in resources}
    folders["provider"] = "provider"
    texts: dict[str, str] = {}
    with zipfile.ZipFile(wheel) as package:
        archive = next(name for name in package.namelist() if name.endswith(".jsii.tgz"))
        with tarfile.open(fileobj=io.BytesIO(package.read(archive)), mode="r:gz") as bindings:
            for entry in bindings:
                _, _, folder, file = (*entry.name.split("/"), "", "", "", "")[:4]
                content = bindings.extractfile(entry) if folder in folders and file == "index.js" else None
                if content:
                    texts[folders[folder]] = content.read().decode()
    return texts


def extract(wheel: Path, resources: tuple[str, ...] = RESOURCES) -> dict[str, Any]:
    """The schema document of the provider that the bindings in `wheel` were made from.

    Raises:
        KeyError: the bindings do not have one of the resources.
        ValueError: the bindings are of another form than this reader knows.
    """
    sources = _sources(wheel, resources)
    provider = Bindings.read(sources["provider"])
    written = _arguments(provider.classes["GoogleProvider"].partition("synthesizeHclAttributes() {")[2])
    served = {
        "provider": {"version": 0, "block": _provider(written, provider.arguments)},
        "resource_schemas": {name: Bindings.read(sources[name]).resource(name) for name in resources},
    }
    return {
        "format_version": "1.0",
        "x_provider_version": _first(r"providerVersion: '([\d.]+)'", next(iter(sources.values()))),
        "x_source": wheel.name,
        "provider_schemas": {SOURCE: served},
    }


if __name__ == "__main__":
    TARGET.write_text(json.dumps(extract(Path(sys.argv[1])), indent=1, sort_keys=True) + "\n", encoding="utf-8")
