"""Agreement against published values, statsmodels, the jackknife and its own edge cases."""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from statsmodels.stats.inter_rater import cohens_kappa as statsmodels_kappa

from assay.statistics.agreement import (
    Metric,
    Scale,
    Weighting,
    cohens_kappa,
    gwets_ac1,
    krippendorffs_alpha,
    percent_agreement,
)
from assay.statistics.measured import Measured, Status
from assay.statistics.sampling import Sampling
from tests.paths import SHARED

SHARED = SHARED / "data"
needs_data = pytest.mark.skipif(
    not (SHARED / "stats").is_dir(), reason="the public data sets are not beside the checkout (../shared/data)"
)
Ratings = list[list[Any]]


@pytest.fixture
def random() -> np.random.Generator:
    return np.random.default_rng(8)


def large_sample_error(found: Measured) -> float:
    """The standard error with n in the place of n - 1."""
    assert found.standard_error is not None
    return found.standard_error * ((found.n - 1) / found.n) ** 0.5


def items(table: list[list[int]]) -> Ratings:
    """The two labels of each item of a table of counts."""
    return [[i, j] for i, row in enumerate(table) for j, count in enumerate(row) for _ in range(count)]


def columns(ratings: Ratings) -> tuple[list[Any], list[Any]]:
    first, second = zip(*ratings, strict=True)
    return list(first), list(second)


def published() -> list[dict[str, Any]]:
    if not (SHARED / "stats").is_dir():
        return []
    with (SHARED / "stats" / "worked_examples.jsonl").open(encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def counts_of(name: str) -> list[list[int]]:
    """A table of counts whose first column names its rows."""
    with (SHARED / "stats" / name).open(encoding="utf-8") as file:
        return [[int(cell) for cell in row[1:]] for row in list(csv.reader(file))[1:]]


def ratings_of(row: dict[str, Any]) -> Ratings:
    """The ratings of each item behind a published value."""
    source = row["data"]
    if isinstance(source, dict) and "table" in source:
        return items(source["table"])
    if isinstance(source, dict):
        return [list(item) for item in zip(*source["raters_by_units"], strict=True)]
    name = source.split()[0]
    if name == "irrcac_cont3x3abstractors.csv":
        return items(counts_of(name))
    if name == "irrcac_distrib.6raters.csv":
        return [[place for place, count in enumerate(item) for _ in range(count)] for item in counts_of(name)]
    with (SHARED / "stats" / name).open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    wanted = ("rater2", "rater3") if name == "irr_anxiety.csv" else ("Rater1", "Rater2", "Rater3", "Rater4")
    return [[int(item[rater]) if item[rater] else None for rater in wanted] for item in rows]


def kappa_of(weighting: Weighting) -> Callable[[Ratings], Measured]:
    return lambda ratings: cohens_kappa(*columns(ratings), scale=Scale(weighting))


def alpha_of(metric: Metric) -> Callable[[Ratings], Measured]:
    return lambda ratings: krippendorffs_alpha(ratings, metric=metric)


STATISTICS: dict[str, Callable[[Ratings], Measured]] = {
    "Cohen's Kappa": kappa_of("nominal"),
    "Cohen's kappa": kappa_of("nominal"),
    "Cohen's kappa unweighted": kappa_of("nominal"),
    "Cohen's kappa linear-weighted": kappa_of("linear"),
    "Cohen's kappa equal (linear)": kappa_of("linear"),
    "Cohen's kappa squared (quadratic)": kappa_of("quadratic"),
    "Krippendorff's Alpha": alpha_of("nominal"),
    "Krippendorff alpha nominal": alpha_of("nominal"),
    "Krippendorff alpha ordinal": alpha_of("ordinal"),
    "Krippendorff alpha interval": alpha_of("interval"),
    "Krippendorff alpha ratio": alpha_of("ratio"),
    "Gwet's AC1": gwets_ac1,
    "AC1": gwets_ac1,
    "Percent Agreement": percent_agreement,
}
KNOWN = [row for row in published() if row["statistic"] in STATISTICS]


def digits(value: float) -> int:
    """Places after the point, as printed."""
    return len(str(value).partition(".")[2])


@needs_data
@pytest.mark.parametrize("row", KNOWN, ids=lambda row: f"{row['statistic']} {str(row['data'])[:30]}")
def test_published_values_are_reproduced_to_the_digits_printed(row: dict[str, Any]) -> None:
    found = STATISTICS[row["statistic"]](ratings_of(row))

    assert found.value == pytest.approx(row["value"], abs=0.51 * 10.0 ** -digits(row["value"]))


@needs_data
def test_no_published_value_was_left_out() -> None:
    assert len(KNOWN) == 19


@needs_data
@pytest.mark.parametrize(
    ("statistic", "data", "large_sample", "places"),
    [
        # irrCAC divides by n for a table of two raters and by n - 1 for alpha and for many raters; SAS by n.
        ("Cohen's Kappa", "irrcac_cont3x3abstractors.csv", True, 8),
        ("Gwet's AC1", "irrcac_cont3x3abstractors.csv", True, 8),
        ("Percent Agreement", "irrcac_cont3x3abstractors.csv", True, 8),
        # irrCAC leaves out how alpha's small-sample correction moves with n.
        ("Krippendorff's Alpha", "irrcac_cont3x3abstractors.csv", False, 5),
        ("Gwet's AC1", "irrcac_distrib.6raters.csv", False, 8),
        ("Cohen's kappa", {"table": [[0, 4, 1], [0, 8, 0], [0, 1, 5]]}, True, 4),
        ("Cohen's kappa linear-weighted", {"table": [[0, 4, 1], [0, 8, 0], [0, 1, 5]]}, True, 4),
    ],
)
def test_published_standard_errors_are_reproduced(
    statistic: str, data: object, large_sample: bool, places: int
) -> None:
    row = next(row for row in KNOWN if row["statistic"] == statistic and row["data"] == data)

    found = STATISTICS[statistic](ratings_of(row))

    error = large_sample_error(found) if large_sample else found.standard_error
    assert error == pytest.approx(row["se"], abs=0.51 * 10.0**-places)


@pytest.mark.parametrize("weighting", ["nominal", "linear", "quadratic"])
@pytest.mark.parametrize("size", [2, 3, 5])
def test_kappa_and_its_error_are_those_of_statsmodels(
    random: np.random.Generator, weighting: Weighting, size: int
) -> None:
    table = random.integers(1, 15, (size, size)) + 10 * np.eye(size, dtype=int)
    steps = {"nominal": None, "linear": "linear", "quadratic": "quadratic"}[weighting]
    expected = statsmodels_kappa(table, wt=steps)

    found = kappa_of(weighting)(items(table.tolist()))

    assert found.value == pytest.approx(float(expected.kappa), abs=1e-6)
    assert large_sample_error(found) == pytest.approx(float(expected.std_kappa), abs=1e-6)


@needs_data
@pytest.mark.parametrize(("first", "second", "value"), [(1, 2, 0.8520), (1, 3, 0.8789), (2, 3, 0.8617)])
def test_the_kappas_of_pandalms_annotators_are_as_published(first: int, second: int, value: float) -> None:
    with (SHARED / "judge" / "pandalm_testset_v1.jsonl").open(encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]

    found = cohens_kappa([row[f"annotator{first}"] for row in rows], [row[f"annotator{second}"] for row in rows])

    assert round(found.value or 0.0, 4) == value
    assert found.low < value < found.high


@pytest.mark.parametrize("metric", ["nominal", "ordinal", "interval", "ratio"])
def test_the_error_of_alpha_is_the_jackknifes(random: np.random.Generator, metric: Metric) -> None:
    ratings: Ratings = [
        [int(np.clip(truth + random.integers(-1, 2), 0, 4)) for _ in range(random.integers(2, 5))]
        for truth in random.integers(0, 5, 70)
    ]
    without = [krippendorffs_alpha(ratings[:i] + ratings[i + 1 :], metric=metric).value for i in range(70)]
    jackknife = float(np.sqrt(69 / 70 * ((np.array(without) - np.mean(without)) ** 2).sum()))

    assert krippendorffs_alpha(ratings, metric=metric).standard_error == pytest.approx(jackknife, rel=0.05)


def test_the_error_of_ac1_is_the_jackknifes(random: np.random.Generator) -> None:
    ratings: Ratings = [[int(random.random() < 0.8) for _ in range(random.integers(1, 5))] for _ in range(80)]
    without = [gwets_ac1(ratings[:i] + ratings[i + 1 :]).value for i in range(80)]
    jackknife = float(np.sqrt(79 / 80 * ((np.array(without) - np.mean(without)) ** 2).sum()))

    assert gwets_ac1(ratings).standard_error == pytest.approx(jackknife, rel=0.05)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_interval_of_kappa_comes_near_a_seeded_bootstrap(seed: int) -> None:
    random = np.random.default_rng(seed)
    first = random.integers(0, 3, 400)
    second = np.where(random.random(400) < 0.7, first, random.integers(0, 3, 400))
    found = cohens_kappa(first.tolist(), second.tolist())
    resampled = []
    for _ in range(600):
        rows = random.integers(400, size=400)
        resampled.append(cohens_kappa(first[rows].tolist(), second[rows].tolist()).value)

    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(resampled, [0.025, 0.975])), abs=0.02)


def test_weights_are_as_good_as_copies() -> None:
    first, second, copies = [1, 1, 0, 0, 1, 0] * 10, [1, 0, 0, 0, 1, 1] * 10, [1, 2, 3, 1, 2, 3] * 10
    many = [(a, b) for a, b, times in zip(first, second, copies, strict=True) for _ in range(times)]
    weighted, ratings = Sampling(weights=copies), [list(pair) for pair in zip(first, second, strict=True)]
    copied: Ratings = [list(pair) for pair in many]

    assert cohens_kappa(first, second, sampling=weighted).value == pytest.approx(cohens_kappa(*columns(copied)).value)
    assert gwets_ac1(ratings, sampling=weighted).value == pytest.approx(gwets_ac1(copied).value)
    assert percent_agreement(ratings, sampling=weighted).value == pytest.approx(percent_agreement(copied).value)
    assert krippendorffs_alpha(ratings, sampling=weighted).value == pytest.approx(krippendorffs_alpha(copied).value, abs=0.01)  # fmt: skip


def test_clusters_widen_the_interval(random: np.random.Generator) -> None:
    codes = np.repeat(np.arange(40), 10)
    first = random.integers(0, 2, 400)
    second = np.where(random.random(400) < random.beta(1, 1, 40)[codes], first, 1 - first)

    alone = cohens_kappa(first.tolist(), second.tolist())
    together = cohens_kappa(first.tolist(), second.tolist(), sampling=Sampling(clusters=codes.tolist()))

    assert together.value == alone.value
    assert together.standard_error > 1.5 * alone.standard_error
    assert (together.clusters, together.status) == (40, Status.OK)


@pytest.mark.parametrize("measure", STATISTICS.values(), ids=STATISTICS)
def test_perfect_agreement_is_1_with_a_width(measure: Callable[[Ratings], Measured]) -> None:
    found = measure([[1, 1], [2, 2], [3, 3]] * 20)

    assert (found.value, found.high) == (1.0, 1.0)
    assert 0.8 < found.low < 0.999
    assert found.status is Status.TOO_FEW


@pytest.mark.parametrize("measure", STATISTICS.values(), ids=STATISTICS)
def test_one_category_says_nothing_of_agreement_beyond_chance(measure: Callable[[Ratings], Measured]) -> None:
    found = measure([[1, 1]] * 30)

    if measure is percent_agreement:
        assert (found.value, found.high) == (1.0, 1.0)
    else:
        assert (found.value, found.low, found.status) == (None, None, Status.NONE)
        assert "all labels are the same" in (found.reason or "")


@pytest.mark.parametrize("measure", STATISTICS.values(), ids=STATISTICS)
@pytest.mark.parametrize("ratings", [[], [[1, None]], [[1, float("nan")], [None, 2]]], ids=["no item", "one", "NaN"])
def test_one_rater_only_is_no_agreement(measure: Callable[[Ratings], Measured], ratings: Ratings) -> None:
    found = measure(ratings) if ratings else krippendorffs_alpha([])

    assert (found.value, found.low, found.high) == (None, None, None)
    assert found.reason


@pytest.mark.parametrize("measure", STATISTICS.values(), ids=STATISTICS)
def test_one_item_is_too_few(measure: Callable[[Ratings], Measured]) -> None:
    found = measure([[1, 2]])

    assert found.status in {Status.TOO_FEW, Status.NONE}
    assert found.low is None or found.high - found.low > 0.5


def test_full_disagreement_is_below_zero() -> None:
    found = cohens_kappa([0, 1] * 20, [1, 0] * 20)

    assert found.value == pytest.approx(-1.0)
    assert -1.0 <= found.low < found.high


def test_items_without_both_labels_do_not_count() -> None:
    found = cohens_kappa([1, 2, None, 1, float("nan")] * 10, [1, 2, 1, None, 2] * 10)

    assert (found.n, found.value) == (20, 1.0)


def test_the_categories_of_a_rubric_fix_the_distances() -> None:
    seen = cohens_kappa([1, 5, 1, 5], [5, 5, 1, 1], scale=Scale("linear"))
    scale = cohens_kappa([1, 2, 4, 5], [2, 2, 5, 5], scale=Scale("linear", (1, 2, 3, 4, 5)))

    assert seen.value == pytest.approx(0.0)
    assert scale.value == pytest.approx(1 - 0.125 / (np.mean([abs(a - b) for a in (1, 2, 4, 5) for b in (2, 2, 5, 5)]) / 4))  # fmt: skip


def test_labels_may_be_words() -> None:
    found = krippendorffs_alpha([["good", "good"], ["bad", "good"], ["bad", "bad"]] * 10)

    assert found.value == pytest.approx(krippendorffs_alpha([[1, 1], [0, 1], [0, 0]] * 10).value)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: cohens_kappa([1, 2], [1]), "one label per item"),
        (lambda: cohens_kappa([1, 2], [1, 9], scale=Scale("linear", (1, 2))), "expected one of 1, 2, found 9"),
        (lambda: krippendorffs_alpha([["a", "b"]], metric="interval"), "expected numbers"),
        (lambda: krippendorffs_alpha([[-1, 2]], metric="ratio"), "non-negative"),
        (lambda: krippendorffs_alpha([[i, i + 1] for i in range(3000)]), "2000 distinct values"),
    ],
)
def test_labels_that_cannot_be_measured_are_refused(call: Callable[[], Measured], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        call()


@needs_data
def test_every_agreement_of_llmbars_judges_with_themselves_is_as_published() -> None:
    cells: dict[tuple[str, ...], list[list[str]]] = {}
    with (SHARED / "judge" / "llmbar_evaluator_decisions.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            key = (row["subset"], row["evaluator"], row["strategy"])
            cells.setdefault(key, []).append([row["winner_swap_false"], row["winner_swap_true"]])
    with (SHARED / "judge" / "llmbar_published_statistics.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    seen: Counter[str] = Counter()
    for row in rows:
        verdicts = cells[row["subset"], row["evaluator"], row["strategy"]]
        if any("" in pair for pair in verdicts):
            seen["blocked"] += 1
            continue
        seen["compared"] += 1
        assert (cohens_kappa(*columns(verdicts)).value or 0.0) == pytest.approx(float(row["kappa_agreement"]), abs=1e-9)
    assert seen == {"compared": 65, "blocked": 25}
