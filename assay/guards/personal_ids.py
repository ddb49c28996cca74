"""Counts the record ids of an input that look personal: email addresses, IBANs, cards, social security and phone numbers."""

from __future__ import annotations

import re

from assay.guards.recognizers import Recognizers

_MAY_BE_PERSONAL = re.compile(r"@|\d\D*(?:\d\D*){6}")
_DIGITS_AND_CODES = re.compile(r"\d+|[0-9a-fA-F]{64}|[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


class PersonalIds:
    """Counts ids that look personal; digits alone, UUIDs and hashes do not, because every order number would."""

    def __init__(self) -> None:
        self._recognizers: Recognizers | None = None
        self.count = 0
        self.kinds: set[str] = set()

    def add(self, record_id: str) -> None:
        """Notes one id."""
        if not _MAY_BE_PERSONAL.search(record_id) or _DIGITS_AND_CODES.fullmatch(record_id):
            return
        self._recognizers = self._recognizers or Recognizers()
        if spans := self._recognizers.find(record_id):
            self.count += 1
            self.kinds |= {span.entity for span in spans}

    def warning(self, what: str, *, of: int, next_step: str) -> str | None:
        """One line for the user, without any id; None if no id looks personal."""
        if not self.count:
            return None
        kinds = ", ".join(sorted(self.kinds))
        return f"{self.count:,} of {of:,} {what} look personal ({kinds}) and are stored as they are: {next_step}"


def warning_of_ids(ids: PersonalIds, column: str, *, of: int) -> str | None:
    """The warning about the record ids of a column."""
    return ids.warning(
        f"record ids in column {column!r}",
        of=of,
        next_step="state `record_id: {column: …, hash: true}` in task.yml, or choose another column",
    )


def warning_of_tenants(tenants: PersonalIds, column: str, *, of: int) -> str | None:
    """The warning about the tenants of a column."""
    return tenants.warning(
        f"tenants in column {column!r}", of=of, next_step="choose a column with a name or a number of the tenant"
    )
