"""The page of spans and log lines names what there is, and nothing besides."""

from __future__ import annotations

import re

from assay.inference.endpoint.failures import FailureKind
from assay.inference.telemetry.events import EVENTS
from assay.inference.telemetry.export import QUEUE_SPANS
from assay.inference.telemetry.spans import FAILURES_PER_SECOND
from tests.docs.pages import ROOT
from tests.inference.telemetry.rows import END, Traced, call, failed_call, prediction

PAGE = (ROOT / "docs" / "reference" / "telemetry.md").read_text("utf-8")
HOW_TO = (ROOT / "docs" / "how-to" / "observe.md").read_text("utf-8")
ATTRIBUTE = re.compile(r"`((?:gen_ai|server|http|error|assay)\.[a-z_.]+)`")


def test_every_attribute_of_a_span_is_on_the_page_and_none_besides() -> None:
    rig = Traced()
    with rig.tracing.stage("answer"), rig.tracing.shard(1):
        rig.answer(prediction(), [call(), failed_call()])
        rig.answer(prediction(status="failed", error_type="timeout"))
    rig.tracing.finish_run(END)
    said = {name for span in rig.spans() for name in span.attributes or {}}
    assert set(ATTRIBUTE.findall(PAGE)) == said


def test_every_event_stands_on_the_page_with_its_fields() -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \| (`.*`) \|$", PAGE.partition("## Log lines")[2], re.MULTILINE))
    assert {event: tuple(re.findall(r"`(\w+)`", fields)) for event, fields in rows.items()} == dict(EVENTS)


def test_every_kind_of_failure_is_on_the_page() -> None:
    assert {kind for kind in FailureKind if f"`{kind}`" not in PAGE} == set()


def test_the_figures_of_the_how_to_are_those_of_the_program() -> None:
    assert f"{QUEUE_SPANS:,} at most" in HOW_TO
    assert f"up to {FAILURES_PER_SECOND} failed requests a second" in HOW_TO
