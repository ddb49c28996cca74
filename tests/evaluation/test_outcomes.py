"""Answers as outcomes: what counts, for which metric, of which record."""

from __future__ import annotations

import math
from typing import Any

import pytest
from scipy.stats import binomtest

from assay.evaluation.comparisons import compared
from assay.evaluation.outcomes import Outcomes, PredictionOutcome
from assay.records.keys import ClusterKey, RecordKey
from assay.records.statuses import PredictionStatus, ScoreStatus
from assay.scoring.landed_scores import LandedVerdict
from assay.scoring.tally import own_outcome
from assay.statistics.repeats import RepeatMetric


def answer(record: str, *, tenant: str = "default", **fields: Any) -> PredictionOutcome:
    given = {"epoch": 0, "status": "ok", "population": "golden:gate", "is_correct": True, "passed": {"exact": True}}
    return PredictionOutcome(**{"record": RecordKey(tenant, record), **given, **fields})


def test_what_the_budget_skipped_was_never_asked() -> None:
    found = Outcomes.of([answer("a"), answer("b", status="skipped_budget")])

    assert (found.skipped, found.records()) == (1, 1)
    assert found.without(frozenset({"a"})).records() == 0
    assert found.without(frozenset({"a"})).skipped == 1


def test_records_are_counted_by_slice_and_epochs_of_one_once() -> None:
    found = Outcomes.of([answer("a", slices=("k=x",)), answer("a", epoch=1, slices=("k=x",)), answer("b")])

    assert (found.records(), found.records("k=x"), found.records("k=y")) == (2, 1, 0)
    assert (found.slices, found.populations) == (("k=x",), ("golden:gate",))


def test_the_same_id_of_two_tenants_is_two_records() -> None:
    found = Outcomes.of([answer("a"), answer("a", tenant="other")])

    assert len(found.by_record("reliability", "overall")) == 2


def test_an_unscored_answer_is_nan_and_one_that_was_not_sampled_is_absent() -> None:
    rows = [
        answer("a", is_correct=None),
        answer("b", is_sampled=False, passed={}),
        answer("c", passed={"exact": False}),
    ]
    found = Outcomes.of(rows)

    assert {key.record_id for key in found.by_record("reliability", "overall")} == {"a", "c"}
    assert math.isnan(found.by_record("reliability", "overall")[RecordKey("default", "a")][0])
    assert found.by_record("exact", "overall") == {
        RecordKey("default", "a"): [1.0],
        RecordKey("default", "c"): [0.0],
    }


def test_a_rate_of_clusters_and_epochs_is_not_that_of_independent_answers() -> None:
    alone = Outcomes.of(answer(f"r{i}", is_correct=i % 4 > 0) for i in range(40))
    twice = Outcomes.of(answer(f"r{i % 20}", epoch=i // 20, is_correct=i % 4 > 0) for i in range(40))
    grouped = Outcomes.of(
        answer(f"r{i}", is_correct=i % 4 > 0, cluster=ClusterKey("default", f"c{i % 12}")) for i in range(40)
    )

    methods = [found.rate("reliability", "overall").measured.method for found in (alone, twice, grouped)]

    assert methods[0] == "clopper_pearson" and all(method.startswith("effective_n") for method in methods[1:])
    assert grouped.rate("reliability", "overall").measured.clusters == 12
    assert grouped.clusters()[RecordKey("default", "r0")] == ("default", "c0")


def test_clusters_of_two_tenants_with_one_id_are_two_clusters() -> None:
    """In a rate and in a comparison; both tenants also use the same record ids."""
    sides = [
        Outcomes.of(
            answer(f"r{i}", tenant=tenant, is_correct=(i + shift) % 4 > 0, cluster=ClusterKey(tenant, f"c{i % 12}"))
            for i in range(40)
            for tenant in ("north", "south")
        )
        for shift in (0, 1)
    ]
    (found,) = compared(*sides, metrics=["reliability"], margins={}, seed=0)

    assert sides[0].rate("reliability", "overall").measured.clusters == 24
    assert (found.comparison.n, found.comparison.clusters) == (80, 24)


def test_a_prediction_without_a_latency_is_not_within_it_and_a_skipped_one_was_not_requested() -> None:
    skipped = answer("e", status="skipped_budget")
    found = Outcomes.of([answer("a", latency_ms=10.0), answer("b", latency_ms=30.0), answer("c"), answer("d"), skipped])

    measured = found.within(20, "overall").measured

    assert (measured.n, measured.value) == (4, 0.25)


def test_the_share_within_an_sla_keeps_failures_in_its_denominator() -> None:
    """788 of 1,000 are within, two of them failures; 786 of the 997 that were answered."""
    answered = [answer(f"r{i}", latency_ms=1.0 if i < 786 else 9.0) for i in range(997)]
    failed = [answer(f"f{i}", status="failed", is_correct=False, latency_ms=1.0 if i < 2 else None) for i in range(3)]

    measured = Outcomes.of([*answered, *failed]).within(2, "overall").measured

    assert (measured.n, measured.value) == (1000, 0.788)


def test_the_outcome_of_a_scorer_is_that_of_the_models_own_output() -> None:
    passed = LandedVerdict(ScoreStatus.SCORED, passed=True, version="1")
    unscored = LandedVerdict(ScoreStatus.UNSCORED, passed=None, version="1")
    measured = LandedVerdict(ScoreStatus.SCORED, passed=None, version="1")

    assert [own_outcome(passed, PredictionStatus(status)) for status in ("ok", "repaired", "fallback", "failed")] == [
        True, True, False, False,
    ]  # fmt: skip
    assert [own_outcome(verdict, PredictionStatus.OK) for verdict in (unscored, measured)] == [None, None]


def test_an_answer_that_is_final_at_the_limit_is_within_it() -> None:
    found = Outcomes.of([answer("a", latency_ms=20.0), answer("b", latency_ms=20.1)])

    assert found.within(20, "overall").measured.value == 0.5


def test_cost_is_of_all_answers_for_the_correct_ones() -> None:
    found = Outcomes.of(answer(f"r{i}", is_correct=i % 2 == 0, cost_usd=0.01) for i in range(40))

    measured = found.cost_per_correct("overall", level=0.9)

    assert measured.value is not None
    assert abs(measured.value - 0.02) < 1e-12


def test_pass_hat_k_and_flaky_records_are_rates_of_records() -> None:
    """30 of 40 records are right in both epochs, 6 in one of them, 4 in none."""
    right = [(True, True)] * 30 + [(True, False)] * 6 + [(False, False)] * 4
    found = Outcomes.of(answer(f"r{i:02}", epoch=e, is_correct=own[e]) for i, own in enumerate(right) for e in (0, 1))

    hat, at, flaky = (
        found.repeated(metric, 2, "overall").measured
        for metric in (RepeatMetric.PASS_HAT, RepeatMetric.PASS_AT, RepeatMetric.FLAKY)
    )

    assert [(one.value, one.n, one.method) for one in (hat, at, flaky)] == [
        (0.75, 40, "clopper_pearson"),
        (0.9, 40, "clopper_pearson"),
        (0.15, 40, "clopper_pearson"),
    ]
    exact = binomtest(6, 40).proportion_ci(0.9)
    assert (flaky.low, flaky.high) == pytest.approx((exact.low, exact.high))


def test_records_of_one_cluster_are_not_independent_in_pass_hat_k() -> None:
    rows = [
        answer(f"r{i:02}", epoch=e, is_correct=i // 4 != 3, cluster=ClusterKey("default", f"c{i // 4}"))
        for i in range(48)
        for e in (0, 1)
    ]

    found = Outcomes.of(rows).repeated(RepeatMetric.PASS_HAT, 2, "overall").measured

    assert (found.n, found.clusters) == (48, 12)
    assert found.low is not None and found.low < binomtest(44, 48).proportion_ci(0.9).low


def test_records_without_enough_epochs_have_no_pass_hat_k() -> None:
    found = Outcomes.of([answer("a", is_correct=True)]).repeated(RepeatMetric.PASS_HAT, 3, "overall")

    assert (found.measured.value, found.measured.reason) == (None, "no record has 3 epochs: evaluate with --epochs 3")
