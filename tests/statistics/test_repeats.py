"""pass@k and pass^k by counting, the variance split by known components."""

from __future__ import annotations

from itertools import combinations, product

import numpy as np
import pytest

from assay.statistics.measured import Status
from assay.statistics.rates import rate
from assay.statistics.repeats import RepeatMetric, repeated_bounds
from assay.statistics.sampling import Sampling
from tests.statistics.named_repeats import pass_at_k, pass_hat_k, variance_split

PASSED = [True, False, False, True, True, True, False, False, False, True, False, True]
RECORDS = ["a", "a", "a", "a", "b", "b", "b", "b", "c", "c", "c", "c"]


def counted(k: int, wanted: object) -> float:
    """The share of choices of k epochs of a record of which any, or all, passed; a mean over records."""
    judge = any if wanted == "any" else all
    shares = []
    for record in "abc":
        own = [passed for passed, name in zip(PASSED, RECORDS, strict=True) if name == record]
        choices = list(combinations(own, k))
        shares.append(sum(judge(choice) for choice in choices) / len(choices))
    return sum(shares) / len(shares)


@pytest.mark.parametrize("k", [1, 2, 3, 4])
def test_pass_at_k_and_pass_hat_k_are_means_over_all_choices_of_epochs(k: int) -> None:
    at, hat = (measure(PASSED, Sampling(records=RECORDS), k=k) for measure in (pass_at_k, pass_hat_k))

    assert at.value == pytest.approx(counted(k, "any"))
    assert hat.value == pytest.approx(counted(k, "all"))
    assert (at.n, at.clusters) == (3, 3)


def test_pass_at_k_is_as_published() -> None:
    # Chen et al. (2021), appendix A: 1 - prod(1 - k / arange(n - c + 1, n + 1)).
    n, c, k = 20, 3, 5
    published = 1 - float(np.prod(1 - k / np.arange(n - c + 1, n + 1)))

    assert pass_at_k([i < c for i in range(n)], Sampling(records=["r"] * n), k=k).value == pytest.approx(published)


def test_k_of_all_epochs_is_a_rate_of_records() -> None:
    passed = [True, True] * 60 + [True, False] * 40
    sampling = Sampling(records=[i // 2 for i in range(200)])

    assert pass_hat_k(passed, sampling, k=2) == rate([1.0] * 60 + [0.0] * 40)


def test_clusters_of_records_are_kept() -> None:
    records = [i // 4 for i in range(480)]
    clusters = [record // 10 for record in records]
    passed = [cluster % 2 == 0 or i % 4 == 0 for i, cluster in enumerate(clusters)]

    found = pass_hat_k(passed, Sampling(records=records, clusters=clusters), k=2)

    assert (found.n, found.clusters, found.status) == (120, 12, Status.WARNING)
    assert found.effective_n < 20


def test_records_with_too_few_epochs_are_unscored() -> None:
    none = pass_at_k([True, False], Sampling(records=["a", "b"]), k=2)
    some = pass_at_k([True, True, None, True], Sampling(records=["a", "a", "b", "b"]), k=2)

    assert (none.value, none.reason) == (None, "no record has 2 scored epochs")
    assert (some.status, some.worst, some.best) == (Status.UNSCORED, 0.5, 1.0)


def test_the_variance_is_split_into_what_it_was_made_of() -> None:
    random = np.random.default_rng(4)
    records, epochs, judgements = 1500, 3, 2
    record = np.repeat(np.arange(records), epochs * judgements)
    answer = np.repeat(np.arange(records * epochs), judgements)
    scores = random.normal(0, 1, records)[record] + random.normal(0, 0.7, records * epochs)[answer]
    scores += random.normal(0, 0.5, len(record))
    kept = random.random(len(record)) < 0.8

    for rows in (np.ones(len(record), dtype=bool), kept):
        found = variance_split(scores[rows].tolist(), records=record[rows].tolist(), answers=answer[rows].tolist())

        assert found is not None
        assert (found.record, found.epoch, found.judge) == pytest.approx((1.0, 0.49, 0.25), rel=0.1)


def test_the_split_is_that_of_the_analysis_of_variance_table() -> None:
    # Two records, two answers each, two judgements of each: mean squares 18, 5 and 0.5 by hand.
    scores = [1.0, 2.0, 3.0, 4.0, 4.0, 5.0, 7.0, 8.0]

    found = variance_split(scores, records=list("aaaabbbb"), answers=list("11223344"))

    squares = (8 * 1.75**2, (4 * 1.0 + 4 * 1.5**2) / 2, 0.5)
    assert found is not None
    assert found.judge == pytest.approx(squares[2])
    assert found.epoch == pytest.approx((squares[1] - squares[2]) / 2)
    assert found.record == pytest.approx((squares[0] - squares[1]) / 4)


def test_what_was_not_repeated_is_not_split_off() -> None:
    once = variance_split([1, 0, 1, 1, 0, 1], records=list("abcdef"))
    epochs = variance_split([1, 0, 1, 1, 0, 0], records=list("aabbcc"))
    judged = variance_split([1, 0, 1, 1, 0, 0], records=list("aabbcc"), answers=list("112233"))

    assert once is not None and (once.epoch, once.judge) == (None, None)
    assert epochs is not None and epochs.epoch is not None and epochs.judge is None
    assert judged is not None and judged.epoch is None and judged.judge is not None
    assert once.total == pytest.approx(np.var([1, 0, 1, 1, 0, 1], ddof=1))


def test_answers_may_have_the_same_name_in_two_records() -> None:
    one = variance_split([1, 2, 3, 4, 5, 7, 8, 9], records=list("aaaabbbb"), answers=list("11221122"))
    other = variance_split([1, 2, 3, 4, 5, 7, 8, 9], records=list("aaaabbbb"), answers=list("11223344"))

    assert one == other


def test_no_component_is_below_zero_and_one_record_has_no_split() -> None:
    found = variance_split([1, 0, 0, 1], records=list("aabb"))

    assert found is not None and found.record == 0.0
    assert variance_split([1, 0, 1], records=list("aaa")) is None
    assert variance_split([None, None], records=list("ab")) is None


def _by_counting(own: tuple[float, ...], metric: RepeatMetric, k: int) -> float:
    if metric is RepeatMetric.FLAKY:
        return float(len(set(own)) > 1)
    judge = all if metric is RepeatMetric.PASS_HAT else any
    choices = list(combinations(own, k))
    return sum(judge(value == 1 for value in choice) for choice in choices) / len(choices)


@pytest.mark.parametrize("metric", list(RepeatMetric))
def test_unscored_epochs_leave_a_record_between_its_worst_and_its_best_completion(metric: RepeatMetric) -> None:
    options, k = (0.0, 1.0, np.nan), 2
    epochs = [*product(options, repeat=3), *product(options, repeat=2)]

    lowest, highest = repeated_bounds(epochs, metric=metric, k=k)

    for own, low, high in zip(epochs, lowest, highest, strict=True):
        completions = product(*[(0.0, 1.0) if np.isnan(value) else (value,) for value in own])
        values = [_by_counting(completion, metric, k) for completion in completions]
        assert (low, high) == pytest.approx((min(values), max(values))), own


def test_a_record_with_fewer_epochs_is_not_measured() -> None:
    lowest, _ = repeated_bounds([[1.0], [1.0, 0.0], [1.0, 1.0, 1.0]], metric=RepeatMetric.PASS_HAT, k=3)

    assert lowest.tolist() == [1.0]
