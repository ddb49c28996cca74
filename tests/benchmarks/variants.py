"""What it costs to compare many variants: CPU and memory of `assay eval --variants all`, as a whole process.

    python -m tests.benchmarks.variants [--variants 14] [--records 1000] [--limit-s 60] [--limit-mib 500]

The runs are made first and not measured; the measured command reuses them, reads every outcome, compares every pair by
metric, overall and in ten slices of clustered records, and lands the comparisons. The emulator is another process. Ends with
1 if the command needs more than a limit.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from tests.emulator import running_emulator
from tests.end_to_end.stage import migrate_dev
from tests.end_to_end.workplace import Workplace
from tests.fakes.model_endpoint import Asked, ModelEndpoint, Reaction

TASK = "compared"
KIB = 1024
SLICES = 5
"""Values of each of the two slice columns."""
PER_CLUSTER = 10


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints one line with both measurements; 0 if they are within their limits."""
    options = _options(arguments)
    with project(options.variants, options.records) as place:
        prepared = place.start("eval", TASK, "--variants", "all", "--format", "json")
        _, log = prepared.communicate(timeout=1800)
        if prepared.returncode:
            raise SystemExit(f"the runs could not be made:\n{log[-3000:]}")
        cpu_s, peak_mib, seconds, found = measured(place)
    pairs = sum(one["slice"] == "overall" and one["metric"] == "reliability" for one in found["comparisons"])
    sys.stdout.write(
        f"{options.variants} variants x {options.records:,} records: {pairs} pairs, {len(found['comparisons']):,} "
        f"comparisons, {cpu_s:.1f} s CPU, {peak_mib:.0f} MiB, {seconds:.1f} s\n"
    )
    return int(cpu_s > options.limit_s or peak_mib > options.limit_mib)


def measured(place: Workplace) -> tuple[float, float, float, dict[str, Any]]:
    """CPU seconds, peak MiB, seconds and result of the command."""
    began, out = time.monotonic(), place.root / "found.json"
    process = place.start("eval", TASK, "--variants", "all", "--format", "json")
    assert process.stdout is not None
    out.write_text(process.stdout.read(), encoding="utf-8")
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        assert process.stderr is not None
        raise SystemExit(f"the comparison failed:\n{process.stderr.read()[-3000:]}")
    cpu_s, peak_mib = used.ru_utime + used.ru_stime, used.ru_maxrss / KIB
    return cpu_s, peak_mib, time.monotonic() - began, json.loads(out.read_text(encoding="utf-8"))


@contextmanager
def project(variants: int, records: int) -> Iterator[Workplace]:
    """A project with one task of so many variants and cases, its warehouse and its endpoint."""
    with (
        tempfile.TemporaryDirectory(prefix="assay-variants-") as name,
        ModelEndpoint(Answers(variants, records)) as model,
    ):
        folder = Path(name)
        with running_emulator(folder / "emulator", as_shipped=True) as warehouse:
            migrate_dev(warehouse)
            place = Workplace(folder / "project", warehouse, model)
            write_task(place, variants, records)
            yield place


def write_task(place: Workplace, variants: int, records: int) -> None:
    """The task; each prompt names its variant, so that the endpoint answers as the variant does."""
    for number in range(variants):
        place.write(f"tasks/{TASK}/v{number}.j2", f"{number} {{{{ text }}}}")
    cases = [
        {
            "case_id": f"c{number:05}",
            "split": "gate",
            "input": {"text": str(number)},
            "expected": {"label": "question"},
            "cluster_id": f"customer{number // PER_CLUSTER}",
            "slices": {"channel": str(number % SLICES), "language": str(number // 7 % SLICES)},
        }
        for number in range(records)
    ]
    place.task(
        TASK,
        cases=cases,
        prompt="0 {{ text }}",
        checks=[{"name": "label_right", "type": "exact_match", "field": "label"}],
        correct=["label_right"],
        variants={f"v{number}": {"prompts": {"user": f"v{number}.j2"}} for number in range(1, variants)},
    )


class Answers:
    """Right or wrong: variants differ a little, records a lot, and the records of a cluster are alike."""

    def __init__(self, variants: int, records: int) -> None:
        random = np.random.default_rng(1)
        hard = np.repeat(random.normal(0, 0.5, -(-records // PER_CLUSTER)), PER_CLUSTER)[:records]
        skill = np.linspace(1.0, 1.5, variants)
        self.right = skill[:, None] + hard + random.normal(0, 1, (variants, records)) > 0

    def __call__(self, asked: Asked) -> Reaction:
        variant, record = map(int, asked.prompt.split())
        label = "question" if self.right[variant, record] else "complaint"
        return Reaction(text=json.dumps({"label": label, "note": "n"}))


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="CPU and memory of a comparison of many variants.")
    parser.add_argument("--variants", type=int, default=14)
    parser.add_argument("--records", type=int, default=1000)
    parser.add_argument("--limit-s", type=float, default=60.0, help="CPU seconds of the command")
    parser.add_argument("--limit-mib", type=float, default=500.0, help="peak resident memory of the command")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
