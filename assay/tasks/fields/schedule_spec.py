"""The block `schedule` of task.yml."""

from __future__ import annotations

from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import field_validator

from assay.tasks.block import Block
from assay.tasks.fields.cron import cron_issue


class ScheduleSpec(Block):
    """When the task runs; the schedule is off until it is turned on in Dagster."""

    cron: str
    timezone: str = "UTC"

    @field_validator("cron")
    @classmethod
    def _is_cron(cls, value: str) -> str:
        if issue := cron_issue(value):
            raise ValueError(issue)
        return value.strip()

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:  # OSError: "Europe" is a folder of zones
            raise ValueError("expected an IANA time zone such as UTC or Europe/Berlin") from error
        return value
