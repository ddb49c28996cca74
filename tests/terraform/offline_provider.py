"""A Terraform provider that knows schemas and no cloud: the real `terraform` binary runs against it offline.

It serves a document of the form of `terraform providers schema -json` over Terraform's plugin protocol 5. Terraform
checks names, types, required arguments and blocks from it; `checks` are held here; plan marks computed values unknown;
apply makes up stable ones. It shows that this provider version accepts and plans the configuration,
not that Google's API does. Rules that a schema cannot express are in `provider_rules.py`.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent import futures
from typing import Any, Self

import grpc

from tests.terraform import wire

Path = tuple[str | int, ...]
Check = Callable[[str, Mapping[str, Any]], Iterable[tuple[str, Path]]]
"""Resource type and its configuration to complaints: what is wrong, and where."""
Rpc = Callable[[wire.Fields], bytes]
"""The fields of a request to the bytes of its response."""

SOURCE = "hashicorp/google"
_Level = tuple[Mapping[str, Any], dict[str, Any], Path]
_NESTING = {"single": 1, "list": 2, "set": 3, "map": 4, "group": 5}
_EMAIL = "{account_id}@{project}.iam.gserviceaccount.com"
_KNOWN_AT_PLAN = {"google_service_account": {"email": _EMAIL, "member": f"serviceAccount:{_EMAIL}"}}
_KNOWN_AT_APPLY = {
    "google_bigquery_dataset": {"id": "projects/{project}/datasets/{dataset_id}"},
    "google_bigquery_table": {"id": "projects/{project}/datasets/{dataset_id}/tables/{table_id}"},
    "google_secret_manager_secret": {
        "id": "projects/{project}/secrets/{secret_id}",
        "name": "projects/{project}/secrets/{secret_id}",
    },
    "google_service_account": {
        "id": f"projects/{{project}}/serviceAccounts/{_EMAIL}",
        "name": f"projects/{{project}}/serviceAccounts/{_EMAIL}",
    },
}


class OfflineProvider:
    """Serves `document` on a port of its own while entered; `environment()` attaches Terraform to it.

    One server's state is the provider block last configured; nothing outlives it.
    """

    def __init__(self, document: Mapping[str, Any], *, checks: Sequence[Check] = ()) -> None:
        served = document["provider_schemas"][SOURCE]
        self._provider_schema: Mapping[str, Any] = served["provider"]
        self._resources: Mapping[str, Any] = served["resource_schemas"]
        self._checks = checks
        self._config: Mapping[str, Any] = {}
        self._server: grpc.Server | None = None
        self._port = 0

    def __enter__(self) -> Self:
        self._server = grpc.server(futures.ThreadPoolExecutor(8))
        handlers = {name: _handler(answer) for name, answer in self._rpcs().items()}
        self._server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("tfplugin5.Provider", handlers)])
        self._port = self._server.add_insecure_port("127.0.0.1:0")
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._server is not None:
            self._server.stop(0).wait(5)

    def environment(self) -> dict[str, str]:
        """Variables with which `terraform` talks to this provider instead of installing one."""
        address = {"Network": "tcp", "String": f"127.0.0.1:{self._port}"}
        plugin = {"Protocol": "grpc", "ProtocolVersion": 5, "Pid": os.getpid(), "Test": True, "Addr": address}
        return {"TF_REATTACH_PROVIDERS": json.dumps({SOURCE: plugin})}

    def _rpcs(self) -> dict[str, Rpc]:
        return {
            "ApplyResourceChange": self._apply,
            "Configure": self._configure,
            "GetSchema": self._get_schema,
            "PlanResourceChange": self._plan,
            "PrepareProviderConfig": self._prepare,
            "ReadResource": self._read,
            "Stop": lambda _: b"",
            "UpgradeResourceState": self._upgrade,
            "ValidateResourceTypeConfig": self._validate,
        }

    def _get_schema(self, _: wire.Fields) -> bytes:
        resources = [
            (2, wire.message((1, name), (2, _schema(schema)))) for name, schema in sorted(self._resources.items())
        ]
        return wire.message((1, _schema(self._provider_schema)), *resources)

    def _prepare(self, request: wire.Fields) -> bytes:
        return wire.message((1, wire.first(request, 1)))

    def _configure(self, request: wire.Fields) -> bytes:
        self._config = wire.decode(wire.first(request, 2)) or {}
        return b""

    def _validate(self, request: wire.Fields) -> bytes:
        resource, config = wire.first(request, 1).decode(), wire.decode(wire.first(request, 2))
        if not isinstance(config, dict):
            return b""
        complaints = list(_decided_by_provider(self._resources[resource]["block"], config))
        for check in self._checks:
            complaints += check(resource, config)
        return wire.message(*((1, wire.error(summary, path)) for summary, path in complaints))

    def _upgrade(self, request: wire.Fields) -> bytes:
        state_json = wire.first(wire.parse(wire.first(request, 3)), 1)
        return wire.message((1, wire.message((2, state_json))))

    def _read(self, request: wire.Fields) -> bytes:
        return wire.message((1, wire.first(request, 2)), (3, wire.first(request, 3) or None))

    def _plan(self, request: wire.Fields) -> bytes:
        resource = wire.first(request, 1).decode()
        prior, planned = wire.decode(wire.first(request, 2)), wire.decode(wire.first(request, 3))
        if planned is not None:
            if prior is None:
                _mark_unknown(self._resources[resource]["block"], planned)
            self._fill(planned, _KNOWN_AT_PLAN.get(resource, {}))
        return wire.message((1, wire.encode(planned)), (5, True))

    def _apply(self, request: wire.Fields) -> bytes:
        resource, new = wire.first(request, 1).decode(), wire.decode(wire.first(request, 3))
        if new is not None:
            self._fill(new, _KNOWN_AT_PLAN.get(resource, {}) | _KNOWN_AT_APPLY.get(resource, {}))
            _make_up_unknown(self._resources[resource]["block"], new, seed=resource)
        return wire.message((1, wire.encode(new)), (4, True))

    def _fill(self, values: dict[str, Any], formats: Mapping[str, str]) -> None:
        """Sets what Google derives: the default project, labels with the provider's, names by their format."""
        if "project" in values and not isinstance(values["project"], str):
            values["project"] = self._config.get("project") or values["project"]
        if "effective_labels" in values and not wire.is_unknown(values.get("labels")):
            labels = {**(self._config.get("default_labels") or {}), **(values.get("labels") or {})}
            values["effective_labels"] = values["terraform_labels"] = labels
        for name, form in formats.items():
            if all(isinstance(values.get(part), str) for part in re.findall(r"{(\w+)}", form)):
                values[name] = form.format(**values)


def _handler(rpc: Rpc) -> grpc.RpcMethodHandler:
    return grpc.unary_unary_rpc_method_handler(lambda request, _: rpc(wire.parse(request)))


def _schema(schema: Mapping[str, Any]) -> bytes:
    return wire.message((1, schema.get("version")), (2, _block(schema["block"])))


def _block(block: Mapping[str, Any]) -> bytes:
    attributes = [(2, _attribute(name, spec)) for name, spec in sorted(block.get("attributes", {}).items())]
    nested = [(3, _nested_block(name, spec)) for name, spec in sorted(block.get("block_types", {}).items())]
    return wire.message(*attributes, *nested)


def _attribute(name: str, spec: Mapping[str, Any]) -> bytes:
    flags = [(number, spec.get(flag)) for number, flag in ((4, "required"), (5, "optional"), (6, "computed"))]
    marks = [(number, spec.get(mark)) for number, mark in ((7, "sensitive"), (9, "deprecated"), (10, "write_only"))]
    return wire.message((1, name), (2, json.dumps(spec["type"])), *flags, *marks)


def _nested_block(name: str, spec: Mapping[str, Any]) -> bytes:
    nesting = _NESTING[spec["nesting_mode"]]
    return wire.message(
        (1, name), (2, _block(spec["block"])), (3, nesting), (4, spec.get("min_items")), (5, spec.get("max_items"))
    )


def _walk(block: Mapping[str, Any], values: Any, path: Path = ()) -> Iterator[_Level]:
    """The attributes' schemas, the values and the path of a block and of all blocks in it."""
    if not isinstance(values, dict):
        return
    yield block.get("attributes", {}), values, path
    for name, nested in block.get("block_types", {}).items():
        found = values.get(name)
        items = enumerate(found) if isinstance(found, list) else [(None, found)]
        for index, item in items:
            # Only a list's items have an index that Terraform can point at.
            step: Path = (name, index) if index is not None and nested["nesting_mode"] == "list" else (name,)
            yield from _walk(nested["block"], item, path + step)


def _decided_by_provider(block: Mapping[str, Any], config: dict[str, Any]) -> Iterator[tuple[str, Path]]:
    for attributes, values, path in _walk(block, config):
        for name, spec in attributes.items():
            if values.get(name) is not None and spec.get("computed") and not spec.get("optional"):
                yield f'"{name}" cannot be set: the provider decides its value', (*path, name)


def _mark_unknown(block: Mapping[str, Any], planned: dict[str, Any]) -> None:
    for attributes, values, _ in _walk(block, planned):
        for name, spec in attributes.items():
            if spec.get("computed") and values.get(name) is None:
                values[name] = wire.UNKNOWN


def _make_up_unknown(block: Mapping[str, Any], new: dict[str, Any], *, seed: str) -> None:
    seed += json.dumps(new, sort_keys=True, default=str)
    for attributes, values, path in _walk(block, new):
        for name, spec in attributes.items():
            if wire.is_unknown(values.get(name)):
                values[name] = _made_up(spec["type"], "/".join(map(str, (seed, *path, name))))


def _made_up(value_type: Any, seed: str) -> Any:
    kind = value_type if isinstance(value_type, str) else value_type[0]
    if kind == "string":
        return f"offline-{hashlib.sha256(seed.encode()).hexdigest()[:10]}"
    if kind == "object":
        return {name: _made_up(inner, seed + name) for name, inner in value_type[1].items()}
    return {"number": 0, "bool": False, "map": {}}.get(kind, [])
