"""Ten kinds of fault together, each alone, and rows that fail every time: every record ends in its one right status.

What is right comes from `expectations.py`; what happened from the endpoint's counters and the rows that were landed.
"""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field, replace

import orjson

from assay.inference.keys import new_id
from assay.project import Project
from assay.records import Prediction, Response
from assay.runs.run import Run
from tests.benchmarks.engine import workload
from tests.benchmarks.engine.driver import answer_into
from tests.benchmarks.engine.expectations import BROKEN_OFF, GOOD, Expected, Oracle, Rules
from tests.benchmarks.engine.sinks import Kept, KeptAndLanded
from tests.benchmarks.engine.stand import IMPATIENT, Stand
from tests.benchmarks.engine.tables import Result

HANG_S = 3.0
LATENCY_S = 0.02
ENDS_WITHIN_S = 40.0
RATE = 0.05
ANSWERED = ("ok", "repaired")
COUNTS = """
select
    count(*) as predictions,
    count(distinct record_id) as records
from predictions
where run_id = @run_id and data_date = @data_date
"""


@dataclass(frozen=True, slots=True)
class FaultOptions:
    """Records of each run and calls in flight; `alone` adds a run for each kind."""

    records: int = 10_000
    in_flight: int = 128
    alone: bool = True


@dataclass(slots=True)
class Verdict:
    """Records of one run that did not end as they must, by what is wrong; empty lists mean that all is well."""

    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    wrong_status: list[str] = field(default_factory=list)
    wrong_answer: list[str] = field(default_factory=list)
    wrong_calls: list[str] = field(default_factory=list)
    wrong_billing: list[str] = field(default_factory=list)

    def faults(self) -> dict[str, int]:
        """How many records for each thing that is wrong."""
        names = ("lost", "doubled", "wrong_status", "wrong_answer", "wrong_calls", "wrong_billing")
        return {name: len(getattr(self, name)) for name in names if getattr(self, name)}

    def first(self) -> str:
        """The first of each, so that it can be looked at."""
        return ", ".join(f"{name} e.g. {getattr(self, name)[0]}" for name in self.faults())


def measure(stand: Stand, options: FaultOptions) -> list[Result]:
    """A line for each set of faults, and one run through the warehouse."""
    columns = ("faults", "records", "statuses", "requests", "faults met", "sent after ok", "s", "all right")
    result = Result(f"Faults, {options.records:,} records, {options.in_flight} in flight", columns)
    admitted = stand.admitted(IMPATIENT, options.records, in_flight=options.in_flight)
    project = stand.project(in_flight=options.in_flight)
    for name, config in _sets(stand, alone=options.alone).items():
        run = replace(admitted, facts=replace(admitted.facts, run_id=new_id()))
        _Sitting(stand, project, run, name, config).measured(Kept(), options.records, result)
    sitting = _Sitting(stand, project, admitted, "mix, into the warehouse", {"mix": RATE})
    sitting.measured(KeptAndLanded(project.warehouse), options.records, result)
    (counts,) = project.warehouse.stream(COUNTS, admitted.window)
    result.wants(
        counts == {"predictions": options.records, "records": options.records}, f"the warehouse has {dict(counts)}"
    )
    result.notes.append(
        "All right: one prediction for each record with the status that the rules give; label and row id as the endpoint "
        "knows them; one landed call for each request, billing unknown where it broke off and known where it was "
        "answered; no request after a good answer; requests at most records + faults."
    )
    return [result]


@dataclass(frozen=True, slots=True)
class _Sitting:
    """One run against one set of faults."""

    stand: Stand
    project: Project
    run: Run
    name: str
    config: dict[str, object]

    def measured(self, sink: Kept, records: int, result: Result) -> None:
        """The run has ended and its line is in the table."""
        self.stand.endpoint.configure(hang=HANG_S, latency=LATENCY_S, **self.config)
        began = time.monotonic()
        ended = True
        try:
            answer_into(self.project, self.run, sink=sink, within_s=ENDS_WITHIN_S)
        except TimeoutError:
            ended = False
        seconds = time.monotonic() - began
        verdict = self._verdict(sink, records)
        stats = self.stand.endpoint.stats()
        met = sum(stats["by_fault"].values())
        wrong = verdict.faults() if ended else {**verdict.faults(), "never_ended": 1}
        if stats["sent_after_ok"]:
            wrong["sent_after_ok"] = stats["sent_after_ok"]
        if stats["requests"] > records + met:
            wrong["too_many_requests"] = stats["requests"] - records - met
        statuses = Counter(each.status for rows in sink.predictions.values() for each in rows)
        shown = ", ".join(f"{status} {count:,}" for status, count in statuses.most_common())
        right = result.wants(not wrong, f"{self.name}: {wrong} ({verdict.first()})")
        cells = (f"{stats['requests']:,}", f"{met:,}", stats["sent_after_ok"], f"{seconds:.1f}", right)
        result.row(self.name, f"{len(sink.predictions):,}", shown, *cells)

    def _verdict(self, sink: Kept, records: int) -> Verdict:
        """Every record compared with what must become of it."""
        route = self.run.task.spec.routes[0]
        arguments = [f"--{name}={value}" for name, value in self.config.items()]
        oracle = Oracle(self.stand.endpoint, Rules(route.max_attempts, route.repair), arguments)
        sent, verdict = self.stand.endpoint.keys(), Verdict()
        rows = [workload.row_id(number) for number in range(records)]
        for row in rows:
            predictions, calls = sink.predictions.get(row, []), sink.responses.get(row, [])
            if not predictions:
                verdict.lost.append(row)
                continue
            if len(predictions) > 1:
                verdict.doubled.append(row)
            expected = oracle.expected(row)
            self._judge_answer(predictions[0], expected, verdict)
            _judge_calls(predictions[0], calls, expected, sent.get(row, [0])[0], verdict)
        verdict.doubled += sorted(sink.predictions.keys() - set(rows))
        return verdict

    def _judge_answer(self, prediction: Prediction, expected: Expected, verdict: Verdict) -> None:
        row, output = prediction.record_id, orjson.loads(prediction.output or "null")
        if prediction.status != expected.status:
            verdict.wrong_status.append(
                f"{row} is {prediction.status}, expected {expected.status} after {expected.faults}"
            )
        right = None
        if prediction.status in ANSWERED:
            right = (self.stand.endpoint.expected_label(row), row)
        found = (output.get("label"), output.get("row_id")) if isinstance(output, dict) else None
        if found != right:
            verdict.wrong_answer.append(f"{row} is {prediction.status} with {prediction.output}")


def _sets(stand: Stand, *, alone: bool) -> dict[str, dict[str, object]]:
    kinds = stand.endpoint.module.MIX
    others = ("429", "408", "html", "slow", "fenced", "null", "refusal", "filter400", "late_reset")
    poison = ",".join(f"poison_{kind}={RATE / len(kinds)}" for kind in kinds)
    sets: dict[str, dict[str, object]] = {"mix": {"mix": RATE}, "poison": {"faults": poison}}
    if alone:
        sets |= {kind: {"faults": f"{kind}={RATE}"} for kind in (*kinds, *others)}
    return sets


def _judge_calls(
    prediction: Prediction, calls: list[Response], expected: Expected, sent: int, verdict: Verdict
) -> None:
    row = prediction.record_id
    if not len(calls) == len(expected.faults) == sent == prediction.calls:
        verdict.wrong_calls.append(
            f"{row}: {len(calls)} landed, {len(expected.faults)} expected, {sent} sent, {prediction.calls} stated"
        )
    ordered = sorted(calls, key=lambda call: call.attempt)
    for call, fault in zip(ordered, expected.faults, strict=False):
        if not _billed_right(call, fault):
            verdict.wrong_billing.append(f"{row} attempt {call.attempt}: {call.billing} after {fault}")


def _billed_right(call: Response, fault: str | None) -> bool:
    if fault in BROKEN_OFF:
        return call.billing == "unknown" and call.cost_usd is None and call.cost_upper_usd is not None
    return call.billing == "known" if fault in GOOD else True
