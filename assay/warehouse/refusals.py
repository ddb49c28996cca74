"""Errors for requests that the warehouse rejects, with the next step that fits the missing table or column."""

from __future__ import annotations

import re
from collections.abc import Mapping
from difflib import get_close_matches
from typing import TYPE_CHECKING

from assay.errors import UsageError, did_you_mean, foreign_text
from assay.settings import Settings
from assay.settings.proxies import is_loopback
from assay.warehouse.schema import LANDING, landing_tables
from assay.warehouse.statement import MARTS, REPORTING

if TYPE_CHECKING:
    from google.api_core.exceptions import GoogleAPICallError

DATASETS = (LANDING, REPORTING, MARTS, "intermediate", "staging")
MODELS = "dbt_project/models"
MIGRATE = "create the landing tables with `assay warehouse migrate`."
TOKEN = "run `assay up`, which restarts services that have another token, or correct ASSAY_LOCAL_TOKEN."
BUILD = "build the marts with `assay report TASK --refresh`."
NOT_FOUND = re.compile(r"Not found: (?:Table|Dataset) [\w-]+[.:](?P<dataset>\w+)(?:\.(?P<table>[\w$*-]+))?")
UNKNOWN_COLUMN = re.compile(
    r"""
    Unrecognized\ name:\ `?(?P<name>[\w.]+)`?(?:;\ Did\ you\ mean\ (?P<suggested>\w+)\?)?     # BigQuery
    | Name\ (?P<field>\w+)\ not\ found\ inside                                               # BigQuery, qualified
    | Referenced\ column\ "(?P<bound>[^"]+)"\ not\ found                                     # the emulator's engine
    | does\ not\ have\ a\ column\ named\ "(?P<member>[^"]+)"                                 # the same, qualified
    """,
    re.VERBOSE,
)
CANDIDATES = re.compile(r"Candidate bindings: (.*)")


def refusal(error: GoogleAPICallError, where: str, settings: Settings) -> UsageError:
    """Returns an error with the warehouse's own message, without the URL and job id that `error.message` adds."""
    from google.api_core.exceptions import Forbidden, NotFound

    text, next_step = stated(error), ""
    if isinstance(error, NotFound):
        next_step = _next_step(text, settings)
    elif isinstance(error, Forbidden) and is_loopback(settings.bigquery_endpoint or ""):
        next_step = TOKEN
    return UsageError(
        f"The warehouse at {where} rejected the request: {foreign_text(text).rstrip('.')}", next_step=next_step
    )


def unknown_column(error: GoogleAPICallError, where: str) -> UsageError | None:
    """Returns an error with the unknown column and the closest names; None if the error has another cause."""
    text = stated(error)
    if not (match := UNKNOWN_COLUMN.search(text)):
        return None
    name = next(part for part in match.group("name", "field", "bound", "member") if part)
    listed = CANDIDATES.search(text)
    candidates = re.findall(r'"([^"]+)"', listed[1]) if listed else []
    closest = [match["suggested"]] if match["suggested"] else get_close_matches(name, candidates, n=3)
    suggestion = f"did you mean {' or '.join(map(repr, closest))}?" if closest else ""
    found = UsageError(
        f"Unknown column {name!r}: expected a column of the tables in the query",
        next_step=suggestion or "see the columns in docs/reference/tables.md.",
    )
    found.then = f"Message of the warehouse at {where}: {foreign_text(text)}"
    return found


def stated(error: GoogleAPICallError) -> str:
    """Returns the warehouse's own message."""
    first = next(iter(error.errors), None)
    message = first.get("message") if isinstance(first, Mapping) else None
    return str(message or error)


def _next_step(text: str, settings: Settings) -> str:
    """Returns how to get the missing table or dataset."""
    if not (match := NOT_FOUND.search(text)):
        return ""
    datasets = {settings.dataset(kind): kind for kind in DATASETS}
    kind = datasets.get(match["dataset"])
    if kind is None:
        return f"use one of the datasets of this environment: {', '.join(datasets)}."
    names, table = _names(kind, settings), match["table"]
    create = MIGRATE if kind == LANDING else BUILD
    if table is None or table in names or not names:
        return create
    if owner := next((dataset for dataset, other in datasets.items() if table in _names(other, settings)), ""):
        return f"write {owner}.{table}."
    if hint := did_you_mean(table, names):
        return hint + (f" If it is missing as well, {create}" if kind != LANDING else "")
    return f"use one of {', '.join(names)}."


def _names(kind: str, settings: Settings) -> tuple[str, ...]:
    """Returns the tables and views that a dataset of this project can have; empty outside a project."""
    if kind == LANDING:
        return tuple(landing_tables())
    return tuple(sorted(path.stem for path in (settings.root / MODELS / kind).rglob("*.sql")))
