"""What Google's provider or API refuses and a schema cannot say, for the resources that `terraform/` uses.

Each rule yields what is wrong and the path of the argument. Unknown values are no strings and pass.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

Complaint = tuple[str, tuple[str, ...]]

_NAMES = {
    ("google_bigquery_dataset", "dataset_id"): r"\w{1,1024}",
    ("google_bigquery_table", "table_id"): r"[\w\- ]{1,1024}",
    ("google_secret_manager_secret", "secret_id"): r"[A-Za-z0-9_-]{1,255}",
    ("google_service_account", "account_id"): r"[a-z][-a-z0-9]{4,28}[a-z0-9]",
}
_EXACTLY_ONE = {
    ("google_secret_manager_secret", "replication"): ("auto", "user_managed"),
    ("google_bigquery_dataset_access", ""): (
        *("dataset", "domain", "group_by_email", "iam_member", "routine", "special_group", "user_by_email", "view"),
    ),
}
_MEMBER = re.compile(
    r"(user|group|serviceAccount|domain|principal|principalSet|projectOwner|projectEditor|projectViewer):.+"
    r"|allUsers|allAuthenticatedUsers"
)
_ROLE = re.compile(r"(roles|projects/[^/]+/roles|organizations/\d+/roles)/[A-Za-z0-9_.]+")
_RENAMED_ROLES = ("roles/bigquery.dataEditor", "roles/bigquery.dataOwner", "roles/bigquery.dataViewer")
_DELETION_POLICIES = ("ABANDON", "DELETE", "PREVENT")
_COLUMN_KEYS = {
    *("defaultValueExpression", "description", "fields", "maxLength", "mode", "name", "policyTags", "precision"),
    *("scale", "type"),
}
_COLUMN_TYPES = {
    *(
        "BIGNUMERIC",
        "BOOL",
        "BOOLEAN",
        "BYTES",
        "DATE",
        "DATETIME",
        "FLOAT",
        "FLOAT64",
        "GEOGRAPHY",
        "INT64",
        "INTEGER",
    ),
    *("INTERVAL", "JSON", "NUMERIC", "RANGE", "RECORD", "STRING", "STRUCT", "TIME", "TIMESTAMP"),
}
_PARTITION_COLUMN_TYPES = {"DATE", "DATETIME", "TIMESTAMP"}
_PARTITION_TYPES = {"DAY", "HOUR", "MONTH", "YEAR"}
_CLUSTER_COLUMNS = 4


def check(resource: str, config: Mapping[str, Any]) -> Iterator[Complaint]:
    """Everything about one resource's configuration that would be refused."""
    yield from _names(resource, config)
    yield from _choices(resource, config)
    yield from _iam(resource, config)
    yield from _labels(config.get("labels"))
    policy = config.get("deletion_policy")
    if isinstance(policy, str) and policy not in _DELETION_POLICIES:
        yield f"deletion_policy {policy!r} is none of {', '.join(_DELETION_POLICIES)}", ("deletion_policy",)
    if resource == "google_bigquery_table" and isinstance(config.get("schema"), str):
        yield from _table(config)


def _names(resource: str, config: Mapping[str, Any]) -> Iterator[Complaint]:
    for (owner, argument), form in _NAMES.items():
        value = config.get(argument)
        if owner == resource and isinstance(value, str) and not re.fullmatch(form, value):
            yield f"{argument} {value!r} must match {form}", (argument,)


def _choices(resource: str, config: Mapping[str, Any]) -> Iterator[Complaint]:
    for (owner, block), choices in _EXACTLY_ONE.items():
        for values in _blocks(config, block) if owner == resource else []:
            chosen = [name for name in choices if values.get(name) not in (None, [], {})]
            if len(chosen) != 1:
                yield f"exactly one of {', '.join(choices)} must be set, found {len(chosen)}", (block,) if block else ()


def _blocks(config: Mapping[str, Any], block: str) -> Sequence[Mapping[str, Any]]:
    return (config.get(block) or []) if block else [config]


def _iam(resource: str, config: Mapping[str, Any]) -> Iterator[Complaint]:
    member, role = config.get("member"), config.get("role")
    if isinstance(member, str) and not _MEMBER.fullmatch(member):
        yield f"{member!r} is not an IAM principal (user:, group:, serviceAccount:, ...)", ("member",)
    if not isinstance(role, str):
        return
    if resource.endswith("_iam_member") and not _ROLE.fullmatch(role):
        yield f"{role!r} is not an IAM role (roles/...)", ("role",)
    if resource == "google_bigquery_dataset_access" and role in _RENAMED_ROLES:
        yield f"{role!r} comes back from the API as WRITER, OWNER or READER: a difference in every plan", ("role",)


def _labels(labels: Any) -> Iterator[Complaint]:
    for key, value in labels.items() if isinstance(labels, dict) else ():
        allowed = re.fullmatch(r"[a-z][a-z0-9_-]{0,62}", key)
        if not allowed or (isinstance(value, str) and not re.fullmatch(r"[a-z0-9_-]{0,63}", value)):
            yield f"label {key}={value!r} is not allowed", ("labels",)


def _table(config: Mapping[str, Any]) -> Iterator[Complaint]:
    try:
        columns = json.loads(config["schema"])
    except ValueError as error:
        yield f"schema is not JSON: {error}", ("schema",)
        return
    yield from ((problem, ("schema",)) for problem in _columns(columns))
    types = {column.get("name"): str(column.get("type")).upper() for column in columns}
    for partitioning in config.get("time_partitioning") or []:
        column, kind = partitioning.get("field"), partitioning.get("type")
        if isinstance(kind, str) and kind not in _PARTITION_TYPES:
            yield f"expected type to be one of {sorted(_PARTITION_TYPES)}, got {kind!r}", ("time_partitioning",)
        if isinstance(column, str) and types.get(column) not in _PARTITION_COLUMN_TYPES:
            yield f"partition column {column!r} is not in schema with a date or time type", ("schema",)
    clustering = config.get("clustering") or []
    for column in clustering:
        if isinstance(column, str) and column not in types:
            yield f"clustering column {column!r} is not in schema", ("schema",)
    if len(clustering) > _CLUSTER_COLUMNS:
        yield f"at most {_CLUSTER_COLUMNS} clustering columns are allowed, found {len(clustering)}", ("clustering",)


def _columns(columns: Sequence[Mapping[str, Any]], *, inside: str = "") -> Iterator[str]:
    seen: set[str] = set()
    for column in columns:
        name, kind = str(column.get("name", "")), str(column.get("type", "")).upper()
        where = f"{inside}{name}"
        if not re.fullmatch(r"[A-Za-z_]\w{0,299}", name):
            yield f"schema: bad column name {where!r}"
        if name.lower() in seen:
            yield f"schema: duplicate column {where!r}"
        seen.add(name.lower())
        yield from _column(column, where=where, kind=kind)
        if kind in ("RECORD", "STRUCT"):
            yield from _columns(column.get("fields", []), inside=f"{where}.")


def _column(column: Mapping[str, Any], *, where: str, kind: str) -> Iterator[str]:
    if unknown := sorted(set(column) - _COLUMN_KEYS):
        yield f"schema: column {where!r} has keys that BigQuery does not know: {', '.join(unknown)}"
    if kind not in _COLUMN_TYPES:
        yield f"schema: column {where!r} has unknown type {kind!r}"
    if column.get("mode", "NULLABLE") not in ("NULLABLE", "REQUIRED", "REPEATED"):
        yield f"schema: column {where!r} has unknown mode {column.get('mode')!r}"
