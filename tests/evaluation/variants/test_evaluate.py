"""Several variants are compared with each other on the same records, and every pair lands."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from statsmodels.stats.multitest import multipletests

from assay.errors import UsageError
from assay.evaluation.sides import EvaluationOptions, EvaluationReporter
from assay.evaluation.variants.evaluate import evaluate_variants
from assay.evaluation.variants.land import VariantEvaluation
from assay.evaluation.variants.render import as_values, facts, markdown, tables
from assay.formatting.markdown import escaped
from tests.evaluation.scenario import cases, evaluated, evaluated_task, obeying
from tests.fakes.model_endpoint import Asked, ModelEndpoint, Reaction
from tests.runs.bench import DAY, Bench, Told

VARIANTS = {"close": 94, "worse": 60}


@pytest.fixture(autouse=True)
def _obeying(model: ModelEndpoint) -> None:
    model.react = obeying


def compared(bench: Bench, task: str, *variants: str, **options: Any) -> VariantEvaluation:
    @contextmanager
    def answering(_: int) -> Iterator[Told]:
        yield Told()

    reporter = EvaluationReporter(answering=answering, counting=lambda _: lambda _: None, note=lambda _: None)
    chosen = EvaluationOptions(**{"data_date": DAY, "variants": variants, **options})
    return evaluate_variants(bench.project, task, chosen, reporter)


def test_variants_that_cannot_be_told_apart_share_a_rank_and_a_clear_loser_is_last(bench: Bench, name: str) -> None:
    task = evaluated_task(bench.place, name, cases(200), variants=VARIANTS)

    found = compared(bench, task, "all")

    places = [(one.side.label, one.rank.best, one.rank.worst, one.rank.groups) for one in found.ranking.variants]
    assert places == [("default", 1, 2, (1,)), ("close", 1, 2, (1,)), ("worse", 3, 3, (2,))]
    assert facts(found)[0] == ("result", "not decisive: default and close cannot be distinguished as the most reliable")
    ranking, pairs = tables(found)
    assert [row[0] for row in ranking[2]] == ["1 to 2", "1 to 2", "3"]
    assert [(row[0], row[-1]) for row in pairs[2]] == [
        ("default − close", "not decisive"),
        ("default − worse", "default is better"),
        ("close − worse", "close is better"),
    ]


def test_every_pair_metric_and_slice_lands_and_a_repetition_replaces_it(bench: Bench, name: str) -> None:
    labelled = cases(40, slices=lambda number: {"half": "ab"[number % 2]})
    task = evaluated_task(bench.place, name, labelled, variants=VARIANTS)

    found = compared(bench, task, "worse", "default", "close")
    again = compared(bench, task, "worse", "default", "close")

    rows = bench.place.query("select * from comparisons where evaluation_id = @id", id=found.variants.evaluation_id)
    ids = {row["comparison_id"] for row in rows}
    assert (again.variants.evaluation_id, len(ids), len(rows)) == (found.variants.evaluation_id, 18, 36)
    overall = {
        (row["candidate_variant"], row["champion_variant"]): row
        for row in rows
        if (row["metric"], row["slice"]) == ("reliability", "overall")
    }
    assert set(overall) == {("worse", "default"), ("worse", "close"), ("default", "close")}
    assert {row["family_size"] for row in rows} == {3}
    assert all(row["adjusted_p"] >= row["p_value"] for row in rows)
    assert all(row["simultaneous_low"] <= row["low"] <= row["high"] <= row["simultaneous_high"] for row in rows)
    values = as_values(found)
    assert len(json.loads(json.dumps(values, allow_nan=False))["comparisons"]) == 18
    assert "not decisive" in markdown(found)


WORDS = {"name": "words", "type": "custom", "function": "checks.py:words", "gives": "number"}
SHORT = {"name": "short", "type": "length", "field": "note", "max": 400}
CONSTANT = {"name": "constant", "type": "custom", "function": "checks.py:constant", "gives": "number"}
SCORERS = """
def words(item):
    return len(item.output["note"].split())


def constant(item):
    return 3
"""


def wordy(asked: Asked) -> Reaction:
    """As many words as the record says, and ten more for the variant that is right 60 times of a hundred."""
    label = json.loads(obeying(asked).text)["label"]
    number = int(asked.prompt.split()[-1])
    more = 10 + number % 3 if "right until 60" in asked.prompt else 0
    return Reaction(text=json.dumps({"label": label, "note": "w " * (2 + number % 7 + more)}))


def test_means_are_compared_as_for_two_variants_and_what_is_not_compared_is_named(
    bench: Bench, name: str, model: ModelEndpoint
) -> None:
    model.react = wordy
    bench.place.write(f"tasks/{name}/checks.py", SCORERS)
    task = evaluated_task(bench.place, name, cases(100), variants=VARIANTS, more_checks=[WORDS, SHORT, CONSTANT])

    found = compared(bench, task, "default", "worse", "close")

    (family,) = (one for one in found.families if one.is_mean)
    assert (family.metric, family.slice, family.kind) == ("words", "overall", "mean")
    two = {
        pair: next(
            one.comparison
            for one in evaluated(bench, task, candidate=pair[0], champion=pair[1]).compared
            if one.is_mean
        )
        for pair in (("default", "worse"), ("worse", "close"))
    }
    labels, pairs = found.variants.labels, {}
    for pair in family.pairs:
        pairs[labels[pair.first], labels[pair.second]] = pair
    for place, comparison in two.items():
        assert (pairs[place].comparison.difference, pairs[place].comparison.p_value) == (
            comparison.difference,
            comparison.p_value,
        )
    assert pairs["worse", "close"].comparison.difference == pytest.approx(10 + sum(n % 3 for n in range(100)) / 100)
    adjusted = multipletests([one.comparison.p_value for one in family.pairs], method="holm")[1]
    assert [one.test.p for one in family.pairs] == pytest.approx(list(adjusted))
    *_, (_, _, rows) = tables(found)
    assert [(row[0], row[1], row[-1]) for row in rows] == [
        ("words", "default − worse", "worse is higher"),
        ("words", "default − close", "not decisive"),
        ("words", "worse − close", "worse is higher"),
    ]
    landed = bench.place.query(
        "select kind, candidate_variant, difference from comparisons where evaluation_id = @id and metric = 'words'",
        id=found.variants.evaluation_id,
    )
    assert {row["kind"] for row in landed} == {"mean"} and len(landed) == 3
    values = json.loads(json.dumps(as_values(found), allow_nan=False))
    assert [one["higher"] for one in values["comparisons"] if one["kind"] == "mean"] == ["worse", None, "worse"]
    said = [note for note in values["notes"] if note.startswith("not compared")]
    assert [note.split(", because ")[0] for note in said] == ["not compared: constant", "not compared: short"]
    assert all(escaped(note)[1:] in markdown(found) for note in said)


def test_variants_of_one_version_are_listed_once(bench: Bench, name: str) -> None:
    task = evaluated_task(bench.place, name, cases(20), right=95, variants={"twin": 95, "close": 94})

    found = compared(bench, task, "default", "twin", "close")

    assert (found.variants.labels, found.variants.same_as) == (("default", "close"), {"twin": "default"})


@pytest.mark.parametrize(
    ("variants", "options", "message"),
    [
        (
            ("default",),
            {},
            "expected at least two variants for --input golden:gate, found 1; task '{task}' has default, close, worse",
        ),
        (("default", "default"), {}, "default is named more than once"),
        (("all", "close"), {}, "expected 'all' or 'adopted' alone"),
        (("default", "none_such"), {}, "none_such"),
        (("default", "@stage:ga"), {}, "serves @stage:ga"),
        (("default", "close"), {"is_gate": True}, "--variants cannot be combined with --gate"),
        (("default", "close"), {"champion": "worse"}, "--variants cannot be combined with --champion"),
        (("default", "close"), {"candidate": "worse"}, "--variants cannot be combined with --candidate"),
        (("default", "close"), {"prefer": "judge"}, "--variants cannot be combined with --prefer"),
    ],
)
def test_what_cannot_be_compared_is_refused_before_any_request(
    bench: Bench, name: str, model: ModelEndpoint, variants: tuple[str, ...], options: dict[str, Any], message: str
) -> None:
    task = evaluated_task(bench.place, name, cases(20), variants=VARIANTS)
    asked = len(model.asked)

    with pytest.raises(UsageError) as error:
        compared(bench, task, *variants, **options)

    assert message.format(task=task) in str(error.value)
    assert len(model.asked) == asked
