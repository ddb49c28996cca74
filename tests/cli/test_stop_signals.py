"""Each stop signal ends a command in one way wherever it arrives: 128 + its number, one message, never a traceback."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.planted import Planted
from tests.end_to_end.stage import endpoints, model, name, place
from tests.end_to_end.workplace import Workplace, numbered_rows, until
from tests.fakes.model_endpoint import ModelEndpoint

__all__ = ["endpoints", "model", "name", "place"]

SIGNALS = [signal.SIGHUP, signal.SIGINT, signal.SIGTERM]
SEND = "import signal\n    signal.raise_signal({number})"
IN_A_FINALIZER = """
    class Closing:
        def __del__(self):
            os.kill(os.getpid(), {number})
            for _ in range(1000): pass
    Closing()
    import time
    time.sleep(20)
"""


@pytest.fixture(autouse=True, scope="module")
def hangup() -> Iterator[None]:
    """SIGHUP ends commands, also where the tests themselves run under nohup, which ignores it."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.fixture
def planted(tmp_path: Path) -> Planted:
    return Planted(tmp_path)


@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.parametrize("body", [SEND, IN_A_FINALIZER], ids=["in_code", "in_a_finalizer"])
def test_a_signal_ends_a_command_with_its_own_code(planted: Planted, body: str, number: int) -> None:
    done = planted.run(body.format(number=int(number)))
    assert (done.returncode, done.stdout, done.stderr) == (128 + number, "", "assay: interrupted\n")
    assert planted.logs() == []


def test_an_error_that_a_signal_causes_is_no_crash(planted: Planted) -> None:
    body = "import signal\n    try:\n        signal.raise_signal(15)\n    except BaseException:\n        shout(secret)"
    done = planted.run(body)
    assert (done.returncode, done.stderr) == (143, "assay: interrupted\n")


@pytest.mark.parametrize("number", SIGNALS)
def test_a_second_signal_changes_nothing(planted: Planted, number: int) -> None:
    send = f"signal.raise_signal({int(number)})"
    body = f"import signal, atexit\n    atexit.register(lambda: {send})\n    try: {send}\n    finally: {send}"
    done = planted.run(body)
    assert (done.returncode, done.stderr) == (128 + number, "assay: interrupted\n")


def test_a_signal_after_the_decision_does_not_change_it(planted: Planted) -> None:
    body = "import signal, atexit\n    atexit.register(lambda: signal.raise_signal(2))\n    click.get_current_context().exit(1)"
    assert planted.run(body).returncode == 1


def test_nohup_keeps_a_command_running(planted: Planted) -> None:
    done = subprocess.run(
        ["nohup", *planted._command("import signal\n    signal.raise_signal(1)")],
        env=planted._environment(), timeout=60, check=False, capture_output=True,
    )  # fmt: skip
    assert done.returncode == 0


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_during_the_imports_ends_with_its_code(planted: Planted, number: int) -> None:
    script = f"""
import signal, sys
class Sender:
    def find_spec(self, name, *rest):
        if name == "click":
            signal.raise_signal({int(number)})
sys.meta_path.insert(0, Sender())
from assay.cli import main
main()
"""
    done = subprocess.run(
        [sys.executable, "-c", script], env=planted._environment(), text=True, capture_output=True, check=False
    )
    assert (done.returncode, done.stderr) == (128 + number, "assay: interrupted\n")


def handles(process: int, number: int) -> bool:
    caught = re.search(r"SigCgt:\s*(\w+)", Path(f"/proc/{process}/status").read_text(encoding="ascii"))
    return caught is not None and bool(int(caught[1], 16) >> (number - 1) & 1)


@pytest.mark.parametrize("after_s", [0.0, 0.3, 0.6, 1.2])
def test_a_run_that_was_interrupted_before_its_requests_sends_none_of_the_rest(
    place: Workplace, model: ModelEndpoint, name: str, after_s: float
) -> None:
    place.rows("in.csv", numbered_rows(3000))
    place.task(name)
    with place.start("run", name, "--input", "in.csv") as process:
        until(lambda: handles(process.pid, signal.SIGTERM))  # Python itself takes that long
        time.sleep(after_s)
        for _ in range(2):
            process.send_signal(signal.SIGINT)
            time.sleep(0.05)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in err
    assert model.count < 3000
    assert ("resume with: assay run" in err) == (re.search(r"^run \w+", err, re.MULTILINE) is not None)


@pytest.mark.parametrize("number", SIGNALS)
def test_a_run_that_is_answering_lands_its_predictions_whatever_the_signal(
    place: Workplace, model: ModelEndpoint, name: str, number: int
) -> None:
    place.rows("in.csv", numbered_rows(3000))
    place.task(name)
    with place.start("run", name, "--input", "in.csv") as process:
        until(lambda: model.count >= 50)
        process.send_signal(number)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 128 + number, err
    hint = re.search(rf"resume with: assay run {name} --resume (\w+)", err)
    assert hint is not None
    states = place.query("select status from runs where run_id = @run and event = 'finished'", run=hint[1])
    assert [row["status"] for row in states] == ["interrupted"]
