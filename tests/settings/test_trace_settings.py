"""Where spans go is read from the standard variables of OpenTelemetry."""

from __future__ import annotations

from pathlib import Path

import pytest

from assay.errors import UsageError
from assay.settings import TraceParent, TraceSettings, load_settings

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
ENDPOINT = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"}


def read(root: Path, **variables: str) -> TraceSettings:
    (root / "tasks").mkdir(exist_ok=True)
    (root / "providers.yml").write_text("{}")
    return load_settings(variables, cwd=root).traces


def on(root: Path, **variables: str) -> TraceSettings:
    return read(root, **ENDPOINT, **variables)


def test_tracing_is_off_until_an_endpoint_is_named(tmp_path: Path) -> None:
    assert read(tmp_path) == read(tmp_path, OTEL_EXPORTER_OTLP_ENDPOINT="") == TraceSettings(endpoint=None)


@pytest.mark.parametrize("base", ["http://collector:4318", "http://collector:4318/"])
def test_the_base_url_gets_the_path_of_traces(tmp_path: Path, base: str) -> None:
    assert read(tmp_path, OTEL_EXPORTER_OTLP_ENDPOINT=base).endpoint == "http://collector:4318/v1/traces"


def test_a_url_for_traces_alone_is_taken_as_it_is(tmp_path: Path) -> None:
    stated = on(tmp_path, OTEL_EXPORTER_OTLP_TRACES_ENDPOINT="https://traces.example.com/in")
    assert stated.endpoint == "https://traces.example.com/in"


@pytest.mark.parametrize(
    ("name", "value"),
    [("OTEL_SDK_DISABLED", "true"), ("OTEL_TRACES_EXPORTER", "none"), ("OTEL_TRACES_SAMPLER", "always_off")],
)
def test_the_standard_switches_turn_it_off(tmp_path: Path, name: str, value: str) -> None:
    assert on(tmp_path, **{name: value}).endpoint is None


@pytest.mark.parametrize("sampler", ["traceidratio", "parentbased_traceidratio"])
def test_a_ratio_is_the_share_of_requests(tmp_path: Path, sampler: str) -> None:
    assert on(tmp_path, OTEL_TRACES_SAMPLER=sampler, OTEL_TRACES_SAMPLER_ARG="0.05").sample == 0.05
    assert on(tmp_path, OTEL_TRACES_SAMPLER=sampler).sample == 1.0
    assert on(tmp_path, OTEL_TRACES_SAMPLER_ARG="0.05").sample == 1.0


def test_a_trace_that_started_this_process_is_read(tmp_path: Path) -> None:
    parent = on(tmp_path, TRACEPARENT=f"00-{TRACE}-{SPAN}-01").parent
    assert parent == TraceParent(int(TRACE, 16), int(SPAN, 16), is_sampled=True)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "garbage",
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE.upper()}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}",
    ],
)
def test_a_parent_that_is_none_is_passed_over(tmp_path: Path, text: str) -> None:
    assert on(tmp_path, TRACEPARENT=text).parent is None


@pytest.mark.parametrize(
    ("sampler", "flags", "is_on"),
    [
        ("parentbased_always_on", "00", False),
        ("parentbased_always_on", "01", True),
        ("parentbased_always_off", "01", True),
        ("always_on", "00", True),
        ("always_off", "01", False),
    ],
)
def test_whether_the_parent_is_sampled_decides_where_the_sampler_says_so(
    tmp_path: Path, sampler: str, flags: str, is_on: bool
) -> None:
    settings = on(tmp_path, OTEL_TRACES_SAMPLER=sampler, TRACEPARENT=f"00-{TRACE}-{SPAN}-{flags}")
    assert (settings.endpoint is not None) == is_on


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4318", "expected http://HOST:PORT"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc", "expected http/protobuf"),
        ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/json", "expected http/protobuf"),
        ("OTEL_TRACES_SAMPLER", "jaeger_remote", "expected one of parentbased_always_on"),
    ],
)
def test_a_value_that_cannot_be_right_is_refused_by_name(tmp_path: Path, name: str, value: str, words: str) -> None:
    with pytest.raises(UsageError, match=f"{name} is .*{words}"):
        read(tmp_path, **{**ENDPOINT, name: value})


@pytest.mark.parametrize("share", ["1.5", "-0.1", "ten", "1e-3", "nan"])
def test_a_share_beyond_0_to_1_is_refused(tmp_path: Path, share: str) -> None:
    with pytest.raises(UsageError, match=r"OTEL_TRACES_SAMPLER_ARG is .* expected a share from 0 to 1"):
        on(tmp_path, OTEL_TRACES_SAMPLER="traceidratio", OTEL_TRACES_SAMPLER_ARG=share)
