"""No text from data or arguments controls the terminal, whichever way it leaves; none ends in an encoding error."""

from __future__ import annotations

import io
import json
import re
import sys
from pathlib import Path

import pytest

from assay.evaluation.render import table_markdown
from assay.report.render import markdown_table
from assay.terminal.output import note, write_json, write_rows, write_text
from tests.architecture.source import modules
from tests.cli.planted import Planted

BAD = "a\x1b]0;title\x07b\x9b2J\x7fc\rd"
RAISED = "from assay.errors import AssayError\n    raise AssayError({!r}, next_step={!r})"


@pytest.fixture
def planted(tmp_path: Path) -> Planted:
    return Planted(tmp_path)


@pytest.mark.parametrize(
    "write",
    [
        note,
        write_text,
        lambda text: write_text("\n".join(markdown_table((text,), [(text,)]))),
        lambda text: write_text(table_markdown((text,), [(text,)])),
        lambda text: write_json({text: [text]}),
        lambda text: write_rows((text,), [(text,)], style="table"),
    ],
    ids=["note", "text", "scorecard", "evaluation", "json", "table"],
)
def test_an_output_has_no_control_character(write: object, capsys: pytest.CaptureFixture[str]) -> None:
    write(BAD)  # type: ignore[operator]
    shown = "".join(capsys.readouterr())
    assert "title" in shown
    assert re.findall(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", shown) == []


def test_json_keeps_every_character(capsys: pytest.CaptureFixture[str]) -> None:
    write_json({"x": BAD})
    assert json.loads(capsys.readouterr().out) == {"x": BAD}


@pytest.mark.parametrize(
    "body", [RAISED.format(BAD, BAD), f"raise click.UsageError({BAD!r})", f"raise OSError(2, 'x', {BAD!r})"]
)
def test_a_message_has_no_control_character(planted: Planted, body: str) -> None:
    done = planted.run(body)
    assert "title" in done.stderr
    assert re.findall(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", done.stderr) == []


def test_a_command_prints_only_by_the_functions_that_clean() -> None:
    echoes = {module.name for module in modules("assay") if re.search(r"\bclick\.(echo|secho)\b", module.text)}
    assert echoes == {"assay/cli/application.py", "assay/cli/crash.py"}  # they clean their text themselves


@pytest.mark.parametrize("encoding", ["ascii", "ascii:strict"])
@pytest.mark.parametrize("style", ["table", "csv", "json"])
def test_a_character_that_the_encoding_lacks_is_escaped(planted: Planted, encoding: str, style: str) -> None:
    body = (
        f"from assay.terminal.output import write_rows\n    write_rows(('é',), [('ü–日😀',), (None,)], style={style!r})"
    )
    done = planted.run(body, PYTHONIOENCODING=encoding, LC_ALL="C")
    assert (done.returncode, done.stderr) == (0, "")
    if style == "json":
        assert json.loads(done.stdout) == [{"é": "ü–日😀"}, {"é": None}]


def test_json_in_an_encoding_without_unicode_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="latin-1"))
    write_json({"é": "ü–日😀"})
    sys.stdout.flush()
    assert json.loads(raw.getvalue().decode("ascii")) == {"é": "ü–日😀"}
