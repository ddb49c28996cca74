"""What n-gram speculation of the local model server does to the time of an answer, and that it changes no answer.

    python -m tests.benchmarks.speculation [--rounds 3] [--asked 12] [--kind NAME ...]

Two kinds of work with the real SmolLM2: `label`, a short answer that is not in the prompt, and `copy`, an answer that
repeats a text of the prompt, as extraction and editing do. Servers take turns; greedy decoding, one request at a time.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import statistics
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from assay.local.model_server import MODEL_ID, PATIENT_THREADS, SPECULATIONS
from assay.settings.local_token import TOKEN_VARIABLE
from tests.benchmarks.engine.tables import Result
from tests.emulator import TOKEN

READY_S, CALL_S = 120.0, 300.0
TEXTS = (
    "Order 20871 of 3 March: two oak shelves, 40 by 120 cm, natural oil, deliver to the back door before noon, ring twice.",
    "The parcel was handed over on Monday at 14:20 and signed for by the neighbor in flat 3b; the box was dented at one edge.",
    "Please move my appointment from Tuesday the 9th at half past ten to Friday the 12th, any time after three in the afternoon.",
    "Invoice 5512 lists the cable at 12.90 although the offer of last week said 9.90 for orders above ten pieces, and we took twelve.",
)
LABEL = (
    "Which word fits the message best: delivery, invoice, appointment or order? Answer with that word only.\n\n{text}"
)
COPY = "Repeat the message word for word, nothing else.\n\nMessage: {text}\n\nRepeated message: {text}\n\nRepeat it once more."
WORK = {"label": (LABEL, 8), "copy": (COPY, 96)}


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer and what it took."""

    text: str
    tokens: int
    seconds: float


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints a table; 1 when a way of guessing changed an answer."""
    given = _options(arguments)
    found: dict[tuple[str, str], list[Answer]] = {}
    for _ in range(given.rounds):
        for kind in ("none", *given.kind):
            with _server(kind) as port:
                for work in WORK:
                    found.setdefault((kind, work), []).extend(_asked(port, work, given.asked))
    result = Result("N-gram speculation, SmolLM2-135M", ("speculation", "work", "ms a token", "x none", "same answers"))
    for (kind, work), answers in found.items():
        plain = found["none", work]
        same = [one.text for one in answers] == [one.text for one in plain]
        met = result.wants(same, f"{kind} changed an answer of {work}")
        cells = (f"{_ms(answers):.1f}", f"{_ms(answers) / _ms(plain):.2f}", met if kind != "none" else "")
        result.row(kind, work, *cells)
    result.notes.append(f"Medians over {given.rounds} turns of {given.asked} answers; servers take turns.")
    sys.stdout.write(f"{result.markdown()}\n")
    return int(bool(result.misses))


def _ms(answers: Sequence[Answer]) -> float:
    return statistics.median(one.seconds / one.tokens for one in answers) * 1000


def _asked(port: int, work: str, count: int) -> Iterator[Answer]:
    prompt, most = WORK[work]
    for number in range(count):
        text = TEXTS[number % len(TEXTS)]
        messages = [{"role": "user", "content": prompt.format(text=text)}]
        body = {"model": MODEL_ID, "messages": messages, "temperature": 0, "max_tokens": most, "cache_prompt": False}
        began = time.perf_counter()
        answer = _post(port, body)
        seconds = time.perf_counter() - began
        yield Answer(answer["choices"][0]["message"]["content"], answer["usage"]["completion_tokens"], seconds)


def _post(port: int, body: dict[str, Any]) -> dict[str, Any]:
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/v1/chat/completions",
        data=json.dumps(body).encode(),
        headers={"Content-Type": "application/json", "Authorization": f"Bearer {TOKEN}"},
    )
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=CALL_S) as answer:
        found: dict[str, Any] = json.load(answer)
    return found


@contextmanager
def _server(speculation: str) -> Iterator[int]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    command = [sys.executable, "-m", "assay.local.model_server", "--port", str(port), "--speculation", speculation]
    process = subprocess.Popen(
        command,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, **PATIENT_THREADS, TOKEN_VARIABLE: TOKEN},
    )
    try:
        _wait_until_ready(port)
        yield port
    finally:
        process.terminate()
        process.wait(timeout=20)


def _wait_until_ready(port: int) -> None:
    until = time.monotonic() + READY_S
    while time.monotonic() < until:
        try:
            _post(port, {"model": MODEL_ID, "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 1})
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.2)
        else:
            return
    raise SystemExit(f"The model server did not answer on port {port} within {READY_S:.0f} s.")


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    kinds = [kind for kind in SPECULATIONS if kind != "none"]
    parser = argparse.ArgumentParser(description="What n-gram speculation does to the time of an answer.")
    parser.add_argument("--rounds", type=int, default=3, help="turns of each server (default: %(default)s)")
    parser.add_argument("--asked", type=int, default=12, help="answers of each kind a turn (default: %(default)s)")
    parser.add_argument("--kind", nargs="+", choices=kinds, default=kinds, help="ways of guessing (default: all)")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
