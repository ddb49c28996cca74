"""Whatever ends a command: never exit 1, which is a failed gate; one message, and a log that holds no value."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.cli.planted import SECRET, Planted, unheard, unread
from tests.end_to_end.stage import endpoints, model, name, place
from tests.end_to_end.workplace import ASSAY, Workplace, numbered_rows

__all__ = ["endpoints", "model", "name", "place"]


@pytest.fixture
def planted(tmp_path: Path) -> Planted:
    """A project whose `assay` has one command more."""
    return Planted(tmp_path)


FAULTS = {
    "in a command": "raise ValueError(secret)",
    "in its own function": "shout(secret)",
    "as a key": "{}[secret]",
    "in a task of asyncio": "asyncio.run(gathered(secret))",
    "in a group": "raise ExceptionGroup('several', [ValueError(secret), KeyError(secret)])",
    "out of a cancelled task": "raise asyncio.CancelledError(secret)",
    "after another": "try:\n        shout(secret)\n    except ValueError as error:\n        raise KeyError(secret) from error",
    "as an end of file": "raise EOFError(secret)",
    "by the user's own code": "sys.exit(1)",
    "in memory": "raise MemoryError",
    "without end": "def again(): again()\n    again()",
    "in a pipe that is not stdout": "raise BrokenPipeError(32, 'Broken pipe')",
    "in a connection": "raise ConnectionResetError(104, 'Connection reset by peer')",
}


@pytest.mark.parametrize("fault", FAULTS)
def test_an_exception_that_nobody_expects_exits_3_and_names_a_log_without_values(planted: Planted, fault: str) -> None:
    done = planted.run(FAULTS[fault])
    assert (done.returncode, done.stdout) == (3, "")
    assert "Traceback" not in done.stderr
    [line] = done.stderr.splitlines()
    [log] = planted.logs()
    assert line.startswith("assay: ")
    assert line.endswith(f"; the traceback is in {log}.")
    text = log.read_text("utf-8")
    assert text.startswith("assay planted, Assay ")
    assert "Traceback (most recent call last)" in text
    assert SECRET not in done.stderr + text
    assert log.stat().st_mode & 0o777 == 0o600


def test_the_message_says_where_it_was_and_that_it_is_no_error_of_the_user(planted: Planted) -> None:
    done = planted.run("from assay.inputs.turns import place_of\n    place_of(None, None)")
    assert "assay: unexpected AttributeError in assay/inputs/turns.py, line " in done.stderr
    assert "this is a bug in Assay; report it with the traceback" in done.stderr


def test_the_log_has_the_members_of_a_group_and_what_led_to_an_exception(planted: Planted) -> None:
    planted.run("raise ExceptionGroup('several', [ValueError(secret), KeyError(secret)]) from OSError(28, 'No space')")
    text = planted.logs()[0].read_text("utf-8")
    kinds = ("builtins.OSError (errno=28, strerror='No space')", "builtins.ExceptionGroup\n", "builtins.ValueError\n")
    places = [text.index(kind) for kind in (*kinds, "builtins.KeyError\n")]
    assert places == sorted(places)


def test_what_the_system_says_of_a_file_is_told_with_the_file(planted: Planted) -> None:
    done = planted.run("open('/no/such/folder/file')")
    assert done.returncode == 3
    assert (
        "assay: /no/such/folder/file: No such file or directory; check the path and its permissions; the traceback"
        in done.stderr
    )


def test_an_error_that_was_expected_leaves_no_log(planted: Planted) -> None:
    done = planted.run("raise ServiceUnreachable('It is away', next_step='wait.')")
    assert (done.returncode, done.stderr) == (5, "assay: It is away; wait.\n")
    assert planted.logs() == []


def test_ctrl_c_is_no_crash(planted: Planted) -> None:
    done = planted.run("raise KeyboardInterrupt")
    assert (done.returncode, done.stderr) == (130, "assay: interrupted\n")
    assert planted.logs() == []


def test_a_project_that_takes_no_log_leaves_it_among_temporary_files(planted: Planted) -> None:
    (planted.root / ".assay").mkdir()
    (planted.root / ".assay" / "logs").write_text("a file where the folder should be")
    done = planted.run("shout(secret)")
    [log] = planted.temporary.glob("crash-*.log")
    assert (done.returncode, log.stat().st_mode & 0o777) == (3, 0o600)
    assert f"the traceback is in {log}." in done.stderr


def test_a_crash_outside_a_project_leaves_its_log_among_temporary_files(planted: Planted) -> None:
    done = planted.run("shout(secret)", ASSAY_ROOT="/no/such/folder")
    assert done.returncode == 3
    assert len(list(planted.temporary.glob("crash-*.log"))) == 1


def test_on_a_full_disk_the_traceback_follows_the_message(planted: Planted) -> None:
    done = planted.run("shout(secret)", full_disk=True)
    assert done.returncode == 3
    assert "no log file could be written; the traceback follows.\n" in done.stderr
    assert "in shout" in done.stderr
    assert SECRET not in done.stderr
    assert planted.logs() == list(planted.temporary.glob("crash-*.log")) == []


def test_where_no_file_can_be_opened_there_is_a_message_still(planted: Planted) -> None:
    done = planted.run("import resource\n    resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3))\n    shout(secret)")
    assert (done.returncode, done.stderr) == (3, "assay: unexpected ValueError; no traceback could be written.\n")


def test_a_crash_that_nobody_can_be_told_of_exits_3_too(planted: Planted) -> None:
    done = planted.run("os.close(2)\n    shout(secret)")
    assert done.returncode == 3


@pytest.mark.parametrize(
    ("ends", "code"),
    [("raise ServiceUnreachable('It is away')", 5), ("raise KeyboardInterrupt", 130), ("shout(secret)", 3)],
)
def test_a_message_that_nobody_reads_changes_no_exit_code(planted: Planted, ends: str, code: int) -> None:
    assert planted.run_unheard(ends) == code


def test_an_error_in_use_that_nobody_reads_exits_3() -> None:
    assert unheard([str(ASSAY), "--nonsense"]) == 3


@pytest.mark.parametrize(("ends", "code"), [("", 0), ("click.get_current_context().exit(1)", 1), ("shout(secret)", 3)])
def test_a_reader_who_left_changes_no_result(planted: Planted, ends: str, code: int) -> None:
    assert planted.run_unread(f"sys.stdout.write('x' * 100)\n    {ends}") == (code, code == 3)


def test_a_reader_who_left_before_the_end_has_enough(planted: Planted) -> None:
    assert planted.run_unread("click.echo('x' * 100_000)\n    shout(secret)") == (0, False)


def test_a_reader_who_left_a_table_before_the_end_has_enough(planted: Planted) -> None:
    table = "from assay.terminal.output import write_table\n    write_table(('a',), [('x' * 100,)] * 5_000)"
    assert planted.run_unread(f"{table}\n    shout(secret)") == (0, False)


@pytest.mark.parametrize("code", [0, 1, 2])
def test_a_reader_who_left_changes_no_decision(planted: Planted, code: int) -> None:
    table = "write_table(('a',), [('x' * 100,)] * 5_000)"
    decision = f"write_and_exit(lambda: {table}, code={code})"
    imports = "from assay.terminal.output import write_table\n    from assay.cli.opening import write_and_exit"
    assert planted.run_unread(f"{imports}\n    {decision}") == (code, False)


@pytest.mark.parametrize(("closed", "code"), [(">&-", 0), ("2>&-", 0), ("<&-", 0), (">&- 2>&-", 0)])
def test_a_stream_that_is_closed_from_the_start_changes_no_exit_code(closed: str, code: int) -> None:
    done = subprocess.run(["bash", "-c", f"{ASSAY} --version {closed}"], timeout=60, check=False)
    assert done.returncode == code


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["run", "--help"]])
def test_help_that_nobody_reads_is_no_failed_gate(arguments: list[str]) -> None:
    assert unread([str(ASSAY), *arguments]) == (0, "")


@pytest.mark.parametrize("arguments", [["--help"], ["run", "--help"]])
def test_a_full_disk_under_stdout_exits_5(arguments: list[str]) -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run([str(ASSAY), *arguments], stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 5
    assert done.stderr.startswith("assay: system: No space left on device; free disk space; the traceback is in ")


def test_a_run_that_crashes_says_how_it_goes_on(planted: Planted) -> None:
    body = "click.get_current_context().meta['assay.continue'] = 'resume with: assay run x'\n    shout(secret)"
    done = planted.run(body)
    assert done.returncode == 3
    assert done.stderr.splitlines()[-1] == "resume with: assay run x"


def test_a_check_that_ends_the_process_fails_and_the_run_goes_on(place: Workplace, name: str) -> None:
    place.rows("in.csv", numbered_rows(2))
    checks = [{"name": "ends", "type": "custom", "function": "ends.py:ends"}]
    place.task(name, checks=checks, correct=["ends"])
    place.write(f"tasks/{name}/ends.py", "import sys\n\n\ndef ends(subject):\n    sys.exit(0)\n")
    place.run(name, "--input", "in.csv")
    scores = place.query("select status, explanation from scores where task = @task", task=name)
    assert [row["status"] for row in scores] == ["failed"] * 2
    assert scores[0]["explanation"] == "ends.py:ends raised SystemExit in line 5"
