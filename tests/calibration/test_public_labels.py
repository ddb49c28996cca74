"""On public judgements with real human labels every figure equals what the textbooks' formulas give.

Draws, labels and verdicts go through the product: queue, file import, landing, the statements, the estimates.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pytest

from assay.calibration.calibrate import CalibratedJudge
from tests.calibration import by_hand
from tests.calibration.conftest import Bench, figure
from tests.fakes.landed_run import Answer
from tests.paths import SHARED

PUBLIC = SHARED / "data" / "judge"
pytestmark = pytest.mark.skipif(
    not PUBLIC.is_dir(), reason="the public data sets are not beside the checkout (../shared/data/judge)"
)
LEVEL_OF = {2: 1, 0: 2, 1: 3}
"""What PandaLM's people say of the first response: worse, as good, better."""
GPT_LEVEL_OF = {"2": 1, "Tie": 2, "1": 3}
ANNOTATORS = ("annotator1", "annotator2", "annotator3")
LEVELS = (1.0, 2.0, 3.0)


@dataclass(frozen=True)
class Pairs:
    """The test set of PandaLM: 999 pairs of responses, each compared by three people and two judges."""

    frame: Any

    @property
    def answers(self) -> list[Answer]:
        return [
            Answer(
                record_id=str(row.idx),
                input={"text": row.instruction},
                output={"note": row.response1},
                slices=(f"other={row.cmp_key.split('_')[1]}",),
            )
            for row in self.frame.itertuples()
        ]

    def better(self, column: str) -> dict[str, bool]:
        return {str(row.idx): getattr(row, column) == 1 for row in self.frame.itertuples()}

    def level(self, column: str) -> dict[str, int]:
        return {str(row.idx): LEVEL_OF[getattr(row, column)] for row in self.frame.itertuples()}

    def gpt_level(self) -> dict[str, int | None]:
        return {str(row.idx): GPT_LEVEL_OF.get(row.gpt_result) for row in self.frame.itertuples()}


@pytest.fixture(scope="module")
def pairs() -> Pairs:
    return Pairs(pd.read_json(PUBLIC / "pandalm_testset_v1.jsonl", lines=True))


def majority(words: list[float]) -> float | None:
    word, count = Counter(words).most_common(1)[0]
    return word if 2 * count > len(words) else None


@dataclass(frozen=True)
class Labeled:
    """What three people said of the records that were drawn, and what the judge said of all and of these."""

    judge_all: list[float]
    judge: list[float]
    people: list[float]
    ratings: list[list[float]]
    records: list[str]


def better_labeled(made: Bench, pairs: Pairs, *, design: str) -> tuple[CalibratedJudge, Labeled]:
    """`better` has judged all, and three people have labeled 300 of them."""
    made.land(pairs.answers)
    verdicts = pairs.better("pandalm_result")
    made.judge("better", verdicts)
    by = {"by": ("none",)} if design == "stratified" else {}
    allocation = {"allocation": "neyman"} if design == "stratified" else {}
    made.fill("better", size=300, seed=11, design=design, **by, **allocation)
    drawn = made.drawn("better")
    said = {person: pairs.better(person) for person in ANNOTATORS}
    words = {True: "pass", False: "fail"}
    made.label("better", [(record, person, words[said[person][record]]) for record in drawn for person in ANNOTATORS])
    judge = made.calibrate().of("better")
    assert judge is not None
    ratings = [[float(said[person][record]) for person in ANNOTATORS] for record in drawn]
    return judge, Labeled(
        judge_all=[float(verdict) for verdict in verdicts.values()],
        judge=[float(verdicts[record]) for record in drawn],
        people=[float(majority(item) or 0.0) for item in ratings],
        ratings=ratings,
        records=drawn,
    )


def only_better(bench: Callable[..., Bench]) -> Bench:
    made = bench()
    made.rewrite(made.judges[:1])
    return made


def test_agreement_and_corrections_of_a_yes_no_judge(bench: Callable[..., Bench], pairs: Pairs) -> None:
    judge, hand = better_labeled(only_better(bench), pairs, design="random")
    want = {
        "cohens_kappa": by_hand.kappa(hand.judge, hand.people, (0.0, 1.0)),
        "gwets_ac1": by_hand.ac1(hand.judge, hand.people, (0.0, 1.0)),
        "percent_agreement": float(np.mean(np.array(hand.judge) == np.array(hand.people))),
        "krippendorffs_alpha": by_hand.alpha(hand.ratings),
        "judged_rate": float(np.mean(hand.judge_all)),
        "human_rate": float(np.mean(hand.people)),
    }
    assert {metric: figure(judge, metric).measured.value for metric in want} == pytest.approx(want, abs=1e-9)
    weights = [1.0] * len(hand.people)
    ppi = figure(judge, "corrected_rate", method="ppi").measured
    rogan = figure(judge, "corrected_rate", method="rogan_gladen").measured
    assert ppi.value == pytest.approx(by_hand.ppi(hand.judge_all, hand.judge, hand.people, weights), abs=1e-9)
    assert rogan.value == pytest.approx(by_hand.rogan_gladen(hand.judge_all, hand.judge, hand.people), abs=1e-9)
    (table,) = [figure(judge, "percent_agreement").details["confusion"]]
    assert np.array(table["counts"]).tolist() == by_hand.crosstab(hand.people, hand.judge, (0.0, 1.0)).tolist()
    assert table["labels"] == ("fail", "pass")


def test_the_whole_truth_lies_within_the_corrected_intervals(bench: Callable[..., Bench], pairs: Pairs) -> None:
    judge, _ = better_labeled(only_better(bench), pairs, design="random")
    said = [pairs.better(person) for person in ANNOTATORS]
    truth = float(np.mean([sum(one[record] for one in said) > 1 for record in said[0]]))
    for metric, method in (("human_rate", ""), ("corrected_rate", "ppi"), ("corrected_rate", "rogan_gladen")):
        found = figure(judge, metric, method=method).measured
        assert found.low < truth < found.high
        assert found.status == "ok"


def test_an_unequal_sample_is_weighted_by_its_probabilities(bench: Callable[..., Bench], pairs: Pairs) -> None:
    made = only_better(bench)
    judge, hand = better_labeled(made, pairs, design="stratified")
    sql = "select record_id, max(inclusion_probability) as chance from annotations_queue where task = @task group by record_id"
    chance = {row["record_id"]: row["chance"] for row in made.place.query(sql, task=made.name)}
    weights = [1 / chance[record] for record in hand.records]
    assert len(set(weights)) == 2
    found = figure(judge, "cohens_kappa").measured
    assert found.value == pytest.approx(by_hand.weighted_kappa(hand.judge, hand.people, weights), abs=1e-9)
    ppi = figure(judge, "corrected_rate", method="ppi").measured
    assert ppi.value == pytest.approx(by_hand.ppi(hand.judge_all, hand.judge, hand.people, weights), abs=1e-9)
    human = figure(judge, "human_rate").measured
    assert human.value == pytest.approx(float(np.average(hand.people, weights=weights)), abs=1e-9)
    rogan = figure(judge, "corrected_rate", method="rogan_gladen").measured
    assert (rogan.value, rogan.method) == (None, "rogan_gladen")
    assert "unequal probabilities" in rogan.reason


def test_agreement_on_levels_is_weighted_and_missing_verdicts_are_told(
    bench: Callable[..., Bench], pairs: Pairs
) -> None:
    made = bench()
    made.rewrite(made.judges[1:])
    made.land(pairs.answers)
    verdicts = pairs.gpt_level()
    made.judge("graded", verdicts)
    made.fill("graded", size=400, seed=5)
    drawn, said = made.drawn("graded"), {person: pairs.level(person) for person in ANNOTATORS}
    made.label("graded", [(record, one, str(said[one][record])) for record in drawn for one in ANNOTATORS])
    judge = made.calibrate().of("graded")
    assert judge is not None

    ratings = {record: [float(said[one][record]) for one in ANNOTATORS] for record in drawn}
    people = {record: majority(item) for record, item in ratings.items()}
    both = [record for record in drawn if verdicts[record] is not None and people[record] is not None]
    first, second = [float(verdicts[record] or 0) for record in both], [float(people[record] or 0) for record in both]
    kappa = figure(judge, "cohens_kappa").measured
    assert (kappa.value, kappa.n) == (pytest.approx(by_hand.kappa(first, second, LEVELS, quadratic=True)), len(both))
    assert f"{sum(verdicts[record] is None for record in drawn)} labeled predictions have no verdict" in kappa.reason
    found = figure(judge, "krippendorffs_alpha")
    assert found.measured.value == pytest.approx(by_hand.alpha(list(ratings.values()), ordinal=True))
    pair = figure(judge, "annotator_kappa").details["pairs"][0]
    one, other = ([item[place] for item in ratings.values()] for place in (0, 1))
    assert pair["value"] == pytest.approx(by_hand.kappa(one, other, LEVELS, quadratic=True))
    assert (pair["first"], pair["second"]) == ANNOTATORS[:2]
    unscored = sum(verdict is None for verdict in verdicts.values())
    said_of = {key: None if verdict is None else verdict >= 2 for key, verdict in verdicts.items()}
    passed = {key: sum(level >= 2 for level in item) >= 2 for key, item in ratings.items()}
    rates = by_hand.within(list(said_of.values()), [said_of[key] for key in drawn], [passed[key] for key in drawn])
    rated = figure(judge, "corrected_rate", method="ppi").measured
    assert (rated.value, rated.n) == (pytest.approx(rates, abs=1e-9), 999)
    assert f"{unscored} of 999 verdicts unscored: a verdict class of their own" in rated.reason
    everyone, labeled = ([bool(said_of[key]) for key in keys] for keys in (said_of, drawn))
    rogan = figure(judge, "corrected_rate", method="rogan_gladen").measured
    people_passed = [float(passed[key]) for key in drawn]
    assert rogan.value == pytest.approx(by_hand.rogan_gladen(everyone, labeled, people_passed), abs=1e-9)
    assert f"{unscored} of 999 verdicts unscored: counted as not passing" in rogan.reason


def test_the_published_agreement_of_pandalms_people_comes_out_of_the_warehouse(
    bench: Callable[..., Bench], pairs: Pairs
) -> None:
    made = bench()
    made.land(pairs.answers)
    made.judge("graded", pairs.level("pandalm_result"))
    made.judge("better", pairs.better("pandalm_result"))
    made.label("graded", [(key, one, str(level)) for one in ANNOTATORS for key, level in pairs.level(one).items()])
    judge = made.calibrate(made.run_id).of("graded")
    assert judge is not None
    said = [list(pairs.level(one).values()) for one in ANNOTATORS]
    want = [by_hand.kappa(said[i], said[j], LEVELS, quadratic=True) for i, j in ((0, 1), (0, 2), (1, 2))]
    pairwise = figure(judge, "annotator_kappa")
    assert [pair["value"] for pair in pairwise.details["pairs"]] == pytest.approx(want)
    assert judge.source.design == "census", "three people labeled every judged pair"
    passes = [sum(LEVEL_OF[word] >= 2 for word in words) >= 2 for words in pairs.frame[list(ANNOTATORS)].to_numpy()]
    assert figure(judge, "human_rate").measured.value == pytest.approx(float(np.mean(passes)))


def test_llmbars_gold_labels_are_one_annotator(bench: Callable[..., Bench]) -> None:
    decisions: Any = pd.read_csv(PUBLIC / "llmbar_evaluator_decisions.csv")
    gpt4 = decisions[(decisions.evaluator == "GPT-4") & (decisions.strategy == "Vanilla")].reset_index()
    records = [f"{row.subset}-{row.item}" for row in gpt4.itertuples()]
    made = only_better(bench)
    made.land(
        [
            Answer(record_id=record, input={"text": record}, output={"note": "x"}, slices=(f"subset={subset}",))
            for record, subset in zip(records, gpt4.subset, strict=True)
        ]
    )
    verdicts = dict(zip(records, (gpt4.winner_swap_false == 1).tolist(), strict=True))
    gold = dict(zip(records, (gpt4.label == 1).tolist(), strict=True))
    made.judge("better", verdicts)
    made.fill("better", size=150, seed=3)
    drawn = made.drawn("better")
    made.label("better", [(record, "gold", "pass" if gold[record] else "fail") for record in drawn])
    judge = made.calibrate().of("better")
    assert judge is not None
    judged, people = [float(verdicts[r]) for r in drawn], [float(gold[r]) for r in drawn]
    assert figure(judge, "cohens_kappa").measured.value == pytest.approx(by_hand.kappa(judged, people, (0.0, 1.0)))
    natural = [place for place, record in enumerate(drawn) if record.startswith("Natural")]
    by_slice = figure(judge, "cohens_kappa", name="subset=Natural").measured
    parts = [judged[place] for place in natural], [people[place] for place in natural]
    assert by_slice.value == pytest.approx(by_hand.kappa(*parts, (0.0, 1.0)))
    alpha = figure(judge, "krippendorffs_alpha").measured
    assert (alpha.value, alpha.reason) == (None, "only one annotator: agreement needs two")
    landed = made.place.query(
        "select calibration from estimates where task = @task and metric = 'cohens_kappa'", task=made.name
    )
    facts = (
        json.loads(landed[0]["calibration"]) if isinstance(landed[0]["calibration"], str) else landed[0]["calibration"]
    )
    assert (facts["annotators"], facts["design"], facts["frame_size"], facts["drawn_on"] is not None) == (
        ["gold"], "random", 419, True,
    )  # fmt: skip
