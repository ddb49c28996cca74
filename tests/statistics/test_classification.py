"""Classification metrics against published results, counts by hand, and simulation."""

from __future__ import annotations

import csv
from collections import defaultdict

import numpy as np
import pytest
from statsmodels.stats.proportion import proportion_confint

from assay.statistics.classes.averages import gate_average_metric
from assay.statistics.classes.classification import classification
from assay.statistics.classes.metrics import ClassRows
from assay.statistics.measured import Status
from assay.statistics.sampling import Groups, Sampling
from tests.paths import SHARED

PRODUCTS = SHARED / "data" / "classification" / "ecommerce_products_4llms.csv"
published = pytest.mark.skipif(
    not PRODUCTS.is_file(), reason="../shared/data/classification is not beside the checkout"
)


def rows_of(name: str) -> list[dict[str, str]]:
    with (PRODUCTS.parent / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@published
def test_all_published_figures_of_four_models_on_eight_splits_are_reproduced() -> None:
    """Accuracy, and precision, recall and F1 weighted by support, to the four digits that the source gives.

    The source takes the precision of a class without a prediction as 1, which matters in 4 of its 32 rows.
    """
    splits = defaultdict(list)
    for row in rows_of("ecommerce_products_4llms.csv"):
        splits[row["split"]].append(row)
    results = rows_of("ecommerce_products_4llms_published_results.csv")
    assert len(results) == 32

    for result in results:
        rows = splits[result["split"]]
        expected, got = ([row[name] for row in rows] for name in ("category", result["Model"]))
        found = classification(expected, got, undefined=1.0)
        figures = (found.accuracy, found.weighted.precision, found.weighted.recall, found.weighted.f1)
        for name, figure in zip(("Accuracy", "Precision", "Recall", "F1"), figures, strict=True):
            assert figure.value == pytest.approx(float(result[name]), abs=6e-5), (
                result["split"],
                result["Model"],
                name,
            )
            assert figure.low is not None and figure.high is not None and figure.low < figure.value < figure.high


def test_metrics_of_a_class_are_those_of_its_counts() -> None:
    """8 right, 2 missed, 1 without a label; 4 of others taken for it."""
    expected = ["a"] * 11 + ["b"] * 20 + ["c"] * 9
    got = [*["a"] * 8, "b", "c", None, *["a"] * 3, *["b"] * 17, "a", *["c"] * 8]

    found = classification(expected, got)
    own = found.classes[0]

    assert found.counts[0] == (8, 1, 1, 1)
    assert (own.support, own.predicted) == (11, 12)
    assert own.precision.value == pytest.approx(8 / 12)
    assert own.recall.value == pytest.approx(8 / 11)
    assert own.f1.value == pytest.approx(2 * 8 / (11 + 12))
    assert found.macro.recall.value == pytest.approx((8 / 11 + 17 / 20 + 8 / 9) / 3)
    assert found.weighted.recall.value == pytest.approx(found.accuracy.value)
    assert (own.recall.low, own.recall.high) == pytest.approx(proportion_confint(8, 11, method="beta"))


def test_a_class_that_is_never_predicted_has_no_precision_and_counts_as_zero() -> None:
    found = classification(["a"] * 20 + ["b"] * 5, ["a"] * 25)

    assert found.classes[1].precision.value is None
    assert found.macro.precision.value == pytest.approx((20 / 25 + 0) / 2)
    assert found.classes[1].f1.value == 0.0 and found.classes[1].f1.high is not None


@pytest.mark.parametrize("clustered", [False, True])
def test_intervals_hold_the_true_value(clustered: bool) -> None:
    """Three classes, a model that errs more on the rarest; 40 clusters in which errors go together."""
    random, samples, n, inside = np.random.default_rng(4), 120, 400, defaultdict(int)
    shares, right = np.array([0.6, 0.3, 0.1]), np.array([0.9, 0.8, 0.6])
    confused = np.array([[0.0, 0.7, 0.3], [0.8, 0.0, 0.2], [0.6, 0.4, 0.0]])
    joint = shares[:, None] * (np.diag(right) + (1 - right)[:, None] * confused)
    truth = {
        "f1": 2 * np.diag(joint) / (joint.sum(0) + joint.sum(1)), "precision": np.diag(joint) / joint.sum(0),
    }  # fmt: skip
    clusters = (np.arange(n) // 10).tolist() if clustered else None
    for _ in range(samples):
        expected = random.choice(3, n, p=shares)
        hard = random.random(40)[np.arange(n) // 10] if clustered else random.random(n)
        missed = np.where(random.random(n) < 0.3, hard, random.random(n)) > right[expected]
        got = np.where(missed, [random.choice(3, p=confused[label]) for label in expected], expected)
        found = classification([str(e) for e in expected], [str(g) for g in got], Sampling(clusters=clusters))
        for name in truth:
            macro = getattr(found.macro, name)
            inside[name] += macro.low <= truth[name].mean() <= macro.high
            inside[f"{name} of c"] += (
                getattr(found.classes[2], name).low <= truth[name][2] <= getattr(found.classes[2], name).high
            )
    for count in inside.values():
        assert count / samples >= 0.95 - 3 * (0.95 * 0.05 / samples) ** 0.5


def test_labels_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="one prediction for each; found 2 and 1"):
        classification(["a", "b"], ["a"])
    with pytest.raises(ValueError, match="found 'c'"):
        classification(["a"], ["c"], labels=["a", "b"])


def drawn(random: np.random.Generator, shares: list[float], n: int) -> tuple[list[str], list[str]]:
    """Expected and answered classes: 85% are right, wrong answers in proportion to the other classes."""
    expected = random.choice(len(shares), n, p=shares)
    other = np.array([random.choice(len(shares), p=without(shares, one)) for one in expected])
    answered = np.where(random.random(n) < 0.85, expected, other)
    return [str(one) for one in expected], [str(one) for one in answered]


def without(shares: list[float], one: int) -> np.ndarray:
    left = np.array(shares)
    left[one] = 0
    return left / left.sum()


def test_a_macro_average_with_rare_classes_does_not_fail_at_its_true_value() -> None:
    random, samples, shares = np.random.default_rng(2), 150, [0.55, *[0.05] * 9]
    joint = np.array([[share * (0.85 if one == other else 0.15 * without(shares, one)[other]) for other in range(10)] for one, share in enumerate(shares)])  # fmt: skip
    true = float((2 * joint.diagonal() / (joint.sum(0) + joint.sum(1))).mean())
    failed = dict.fromkeys((50, 200), 0)
    for n in failed:
        for _ in range(samples):
            found = gate_average_metric(*drawn(random, shares, n), Sampling(), metric="f1", weighted=False)
            assert found.bounds is not None
            failed[n] += found.measured.status is not Status.INCONCLUSIVE and found.bounds.upper(0.05) < true

    assert max(failed.values()) / samples <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / samples)


def test_an_average_names_the_classes_with_few_records_and_decides_nothing() -> None:
    expected, answered = ["a"] * 40 + ["b"] * 40 + ["c"] * 4, ["a"] * 40 + ["b"] * 40 + ["c"] * 3 + ["d"]

    gate = gate_average_metric(expected, answered, Sampling(), metric="f1", weighted=False).measured
    shown = classification(expected, answered).macro.f1

    assert (gate.status, shown.status) == (Status.INCONCLUSIVE, Status.TOO_FEW)
    assert all(
        (one.reason or "").startswith("fewer than 5 records should have the class c (4), d (0)")
        for one in (gate, shown)
    )
    for metric in ("f1", "precision", "recall"):
        weighted = gate_average_metric(expected, answered, Sampling(), metric=metric, weighted=True).measured
        assert weighted.status is not Status.INCONCLUSIVE  # c has 5% of the rows


def test_records_of_a_class_are_counted_by_cluster() -> None:
    labels = ["a"] * 40 + ["b"] * 40
    sampling = Sampling(clusters=[*range(20), *range(20), *[20, 21, 22, 23] * 10])

    assert "b (4)" in (
        gate_average_metric(labels, labels, sampling, metric="recall", weighted=False).measured.reason or ""
    )


def test_the_bias_of_f1_is_that_of_many_samples() -> None:
    random, n, samples = np.random.default_rng(4), 60, 20_000
    hits, misses, false = random.multinomial(n, [0.12, 0.04, 0.04, 0.8], samples)[:, :3].T
    f1 = 2 * hits / (2 * hits + misses + false)
    true = 0.24 / 0.32
    rows = [(1, 1)] * 12 + [(1, 0)] * 4 + [(0, 1)] * 4 + [(0, 0)] * 80
    truth, given = np.array(rows, dtype=bool).T

    bias = ClassRows.of(Groups.of(100), truth, given, undefined=0.0).bias("f1", Groups.of(100)) * 100 / n

    assert bias == pytest.approx(f1.mean() - true, rel=0.2) and bias < 0
