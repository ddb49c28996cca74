"""The accuracies that a publication states for four models on eight splits, from its answers through `assay adopt`."""

from __future__ import annotations

import csv

import pytest

from tests.adoption.scenario import LABEL_RIGHT, adopted, label_task
from tests.end_to_end.workplace import Workplace
from tests.paths import SHARED
from tests.runs.bench import Bench

PRODUCTS = SHARED / "data" / "classification" / "ecommerce_products_4llms.csv"
PUBLISHED = PRODUCTS.with_name("ecommerce_products_4llms_published_results.csv")

pytestmark = pytest.mark.skipif(
    not PRODUCTS.is_file(), reason="the public data sets are not beside the checkout (../shared/data)"
)


def test_all_published_accuracies_are_the_estimates_of_adopted_answers(
    bench: Bench, place: Workplace, name: str
) -> None:
    columns = {
        "record_id": "id",
        "fields": {"title": "title"},
        "expected": {"label": "category"},
        "slices": {"split": "split"},
    }
    label_task(place, name, label="str", input=columns, prompt="{{ title }}", checks=[LABEL_RIGHT])
    with PRODUCTS.open(encoding="utf-8", newline="") as file:
        rows = [{"id": str(number), **row} for number, row in enumerate(csv.DictReader(file))]
    place.rows("products.csv", rows)
    with PUBLISHED.open(encoding="utf-8", newline="") as file:
        published = {(row["Model"], row["split"]): float(row["Accuracy"]) for row in csv.DictReader(file)}
    models = sorted({model for model, _ in published})

    runs = adopted(bench, name, *models, input="products.csv")

    found = {}
    for model in models:
        sql = "select slice, value, n from estimates where run_id = @run_id and metric = 'reliability'"
        for row in place.query(sql, run_id=runs[model].summary.run_id):
            found[model, row["slice"].removeprefix("split=")] = (row["value"], row["n"])
    assert len(published) == 32
    assert {key: round(found[key][0], 4) for key in published} == published
    assert {found[model, "overall"][1] for model in models} == {4960}
