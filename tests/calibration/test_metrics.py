"""What is said of a judge from people's labels, and why nothing is said where the labels cannot bear it."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from assay.calibration.findings import Finding
from assay.calibration.label_set import CalibrationSet, HumanLabel, JudgedAnswer, LabelSource, agreed
from assay.calibration.metrics import calibration_findings
from assay.labels.questions import LabelingQuestion, Level
from assay.records.keys import ClusterKey, RecordKey
from assay.records.statuses import AnnotatorKind
from assay.statistics.measured import Status, proportion_interval
from tests.paths import SHARED

BINARY = (Level("fail", 0.0, False, "It fails."), Level("pass", 1.0, True, "It passes."))
GRADED = tuple(Level(str(value), float(value), value >= 3, "So.") for value in (1, 2, 3, 4))
WITH_PEOPLE = {"human_rate", "corrected_rate"}
OF_BOTH = {"cohens_kappa", "gwets_ac1", "percent_agreement", "sensitivity", "specificity", "length_bias"}
AMONG = {"krippendorffs_alpha", "annotator_kappa", "annotator_agreement"}


def asked(levels: tuple[Level, ...] = BINARY) -> LabelingQuestion:
    return LabelingQuestion(scorer="polite", version="q1", text="Is it?", levels=levels, judged_by=("polite",))


def answer(number: int, *, passed: bool | None, **more: Any) -> JudgedAnswer:
    status = "unscored" if passed is None else "scored"
    value = None if passed is None else float(passed)
    record = RecordKey(more.pop("tenant", "default"), more.pop("record", f"r{number}"))
    given = {"population": "input", "output_length": 10 + number, "value": value, **more}
    return JudgedAnswer(prediction_id=f"p{number}", record=record, status=status, passed=passed, **given)


def label(number: int, *, passed: bool | None, who: str = "ana", **more: Any) -> HumanLabel:
    said = {None: "cannot_tell", True: "pass", False: "fail"}[passed]
    value = None if passed is None else float(passed)
    return HumanLabel(prediction_id=f"p{number}", annotator=who, label=said, value=value, passed=passed, **more)


def drawn(numbers: Sequence[int], *, chance: float = 0.5, **more: Any) -> LabelSource:
    inclusion = {f"p{number}": chance for number in numbers}
    given = {"design": "random", "frame": "answers of a run", "sample_id": "s1", "frame_size": 40, **more}
    return LabelSource(inclusion=inclusion, **given)


def calibrated(**more: Any) -> CalibrationSet:
    """Forty answers, half of them passed; people labeled the first twenty, and contradict the judge on three."""
    wrong = {3, 8, 14}
    given = {
        "question": asked(),
        "answers": [answer(n, passed=n % 2 == 0) for n in range(40)],
        "labels": [label(n, passed=(n % 2 == 0) != (n in wrong)) for n in range(20)],
        "source": drawn(range(20)),
        **more,
    }
    return CalibrationSet(**given)


def by_metric(found: CalibrationSet, *, name: str = "overall") -> dict[str, Finding]:
    """The findings of a slice; corrections by the name of their method."""
    findings = [one for one in calibration_findings(found) if one.slice == name]
    return {
        one.measured.method.split("_")[0] if one.metric == "corrected_rate" else one.metric: one for one in findings
    }


def test_every_figure_about_people_says_what_labels_it_rests_on() -> None:
    found = by_metric(calibrated())
    assert found.keys() == {"judged_rate", "human_rate", "ppi", "rogan", *OF_BOTH, *AMONG}
    assert found["judged_rate"].facts is None
    for metric in found.keys() - {"judged_rate"}:
        facts = found[metric].facts
        assert facts is not None
        assert (facts.design, facts.n_labels, facts.n_drawn, facts.annotators) == ("random", 20, 20, ("ana",))
    assert found["ppi"].label_counts == {"pass": 9, "fail": 11}


def test_counts_agreement_and_errors_are_those_of_the_labeled_answers() -> None:
    found = by_metric(calibrated())
    assert found["percent_agreement"].measured.value == pytest.approx(17 / 20)
    assert found["cohens_kappa"].measured.value == pytest.approx(0.7)
    assert found["sensitivity"].measured.value == pytest.approx(8 / 9)
    assert found["specificity"].measured.value == pytest.approx(9 / 11)
    details = found["percent_agreement"].details
    assert details is not None
    assert details["confusion"]["counts"] == ((9, 2), (1, 8))


def test_slices_have_figures_of_their_own() -> None:
    answers = [answer(n, passed=n % 2 == 0, slices=("lang=fr",) if n < 10 else ()) for n in range(40)]
    found = by_metric(calibrated(answers=answers), name="lang=fr")
    assert (found["judged_rate"].measured.n, found["cohens_kappa"].measured.n) == (10, 10)
    assert found["percent_agreement"].measured.value == pytest.approx(0.8)


def test_rates_speak_of_one_population_and_agreement_of_the_judge() -> None:
    answers = [answer(n, passed=n % 2 == 0, population=f"golden:{'dev' if n < 10 else 'gate'}") for n in range(40)]
    findings = [one for one in calibration_findings(calibrated(answers=answers)) if one.slice == "overall"]
    assert [one.population for one in findings if one.metric == "judged_rate"] == ["golden:dev", "golden:gate"]
    assert [one.population for one in findings if one.metric == "cohens_kappa"] == ["golden:dev + golden:gate"]


def test_clusters_and_epochs_are_no_independent_answers() -> None:
    answers = [replace(answer(n, passed=n % 2 == 0), record=RecordKey("default", f"r{n // 2}")) for n in range(40)]
    found = by_metric(calibrated(answers=answers))
    assert found["ppi"].measured.clusters == found["judged_rate"].measured.clusters == 20
    assert found["cohens_kappa"].measured.clusters == 10


def test_clusters_of_two_tenants_with_one_id_are_two_clusters() -> None:
    answers = [
        replace(answer(n, passed=n % 2 == 0, tenant=tenant), cluster=ClusterKey(tenant, f"c{n // 4}"))
        for n in range(40)
        for tenant in ("north", "south")
    ]
    found = by_metric(calibrated(answers=answers))
    assert found["judged_rate"].measured.clusters == 20


def test_an_adjudicator_wins_and_is_no_annotator() -> None:
    labels = [
        label(1, passed=True),
        label(1, passed=False, who="ben"),
        label(1, passed=False, who="cleo", is_adjudication=True),
    ]
    assert agreed(labels).passed is False
    assert agreed(labels[:2]).passed is None
    assert agreed([*labels[:2], label(1, passed=True, who="dan")]).passed is True
    both = [label(n, passed=n % 2 == 0, who=who) for n in range(20) for who in ("ana", "ben")]
    found = by_metric(calibrated(labels=[*both, label(3, passed=True, who="cleo", is_adjudication=True)]))
    assert found["krippendorffs_alpha"].measured.value == 1
    assert found["percent_agreement"].measured.value == pytest.approx(19 / 20)


def test_what_nobody_could_tell_or_agree_on_is_left_out_and_told() -> None:
    labels = [*(label(n, passed=n % 2 == 0) for n in range(2, 20)), label(0, passed=None)]
    found = by_metric(calibrated(labels=[*labels, label(2, passed=False, who="ben")]))
    kappa = found["cohens_kappa"].measured
    assert (kappa.value, kappa.n) == (1, 17)
    assert "omitted predictions: 1 cannot_tell, 1 undecided" in str(kappa.reason)


def test_labels_of_answers_that_the_run_or_the_sample_does_not_hold_count_for_nothing() -> None:
    strays = [label(n, passed=True) for n in (25, 99)]
    with_strays = calibrated(labels=[*calibrated().labels, *strays])
    assert with_strays.unrelated_labels == 2
    assert calibration_findings(with_strays) == calibration_findings(calibrated())
    only = by_metric(calibrated(labels=strays))["cohens_kappa"].measured
    assert (only.value, only.reason) == (
        None,
        "no human labels but 2 of predictions that are not in the run or its sample",
    )


@pytest.mark.parametrize(
    ("edits", "metrics", "reason"),
    [
        ({"labels": []}, WITH_PEOPLE | OF_BOTH | AMONG, "no human labels"),
        ({"source": drawn(range(20), mismatch="another wording")}, WITH_PEOPLE | OF_BOTH | AMONG, "do not apply: another"),
        ({"source": drawn(range(20), design="triage")}, WITH_PEOPLE | OF_BOTH | AMONG, "triage are not a probability"),
        ({"judge_mismatch": "version v0"}, {"judged_rate", "corrected_rate"} | OF_BOTH, "version v0"),
        ({}, AMONG, "only one annotator"),
        ({"labels": [label(n, passed=n > 9, who="ab"[n % 2]) for n in range(20)]}, AMONG, "no prediction has labels of two"),
        ({"source": drawn(range(20), design="import")}, WITH_PEOPLE, "labels of design import are not a probability sample"),
        ({"question": asked(tuple(replace(level, passed=None) for level in BINARY))}, WITH_PEOPLE | {"judged_rate"}, "which levels pass"),
    ],
)  # fmt: skip
def test_where_labels_cannot_bear_it_there_is_a_reason_and_no_value(
    edits: dict[str, Any], metrics: set[str], reason: str
) -> None:
    found = [one for one in calibration_findings(calibrated(**edits)) if one.metric in metrics]
    assert {one.metric for one in found} == metrics
    assert [(one.metric, one.measured.value) for one in found if one.measured.value is not None] == []
    assert [one.metric for one in found if reason not in str(one.measured.reason)] == []


def test_a_judge_of_another_version_says_nothing_of_people() -> None:
    found = by_metric(calibrated(judge_mismatch="version v0"))
    assert found["human_rate"].measured.value == pytest.approx(9 / 20)


@pytest.mark.parametrize("passed", [True, False])
def test_all_pass_and_all_fail_give_no_kappa_and_no_rogan_gladen(*, passed: bool) -> None:
    answers = [answer(n, passed=passed) for n in range(40)]
    found = by_metric(calibrated(answers=answers, labels=[label(n, passed=passed) for n in range(20)]))
    kappa, rogan, ppi = found["cohens_kappa"].measured, found["rogan"].measured, found["ppi"].measured
    assert (kappa.value, rogan.value) == (None, None)
    assert "all labels are the same" in str(kappa.reason)
    assert "sensitivity or specificity is unknown" in str(rogan.reason)
    assert (ppi.value, ppi.status, ppi.method) == (float(passed), "ok", "ppi_labels_only_exact")
    assert ppi.low is not None and ppi.high is not None and ppi.high - ppi.low > 0.1


def test_labels_that_were_brought_are_compared_but_prove_nothing() -> None:
    kappa = by_metric(calibrated(source=LabelSource(design="import", frame="chosen")))["cohens_kappa"].measured
    assert kappa.value == pytest.approx(0.7)
    assert kappa.status not in {Status.OK, Status.WARNING}
    assert "not a probability sample" in str(kappa.reason)


def test_a_judge_that_could_not_be_read_gives_no_rate_but_its_bounds() -> None:
    answers = [answer(n, passed=None if n < 4 else n % 2 == 0) for n in range(40)]
    found = by_metric(calibrated(answers=answers))
    assert (found["judged_rate"].measured.value, found["judged_rate"].measured.status) == (0.45, "unscored")
    ppi = found["ppi"].measured
    # By hand: of 4 unscored rows 3 of 4 labels pass, of 18 passed ones 6 of 8, of 18 failed ones none of 8.
    assert ppi.value == pytest.approx(0.1 * 3 / 4 + 0.45 * 6 / 8)
    assert (ppi.n, "4 of 40 verdicts unscored" in str(ppi.reason)) == (40, True)
    assert "4 labeled predictions have no verdict" in str(found["cohens_kappa"].measured.reason)


def test_a_mean_between_two_levels_counts_as_the_nearest_one() -> None:
    answers = [replace(answer(n, passed=True), value=value) for n, value in enumerate((1.0, 2.5, 3.4, 4.0) * 5)]
    labels = [
        HumanLabel(prediction_id=f"p{n}", annotator="ana", label=str(level), value=float(level), passed=level >= 3)
        for n, level in enumerate((1, 2, 3, 4) * 5)
    ]
    found = by_metric(calibrated(question=asked(GRADED), answers=answers, labels=labels))
    assert found["cohens_kappa"].measured.value == 1
    details = found["cohens_kappa"].details
    assert details is not None
    assert (details["weighting"], details["between_levels"]) == ("quadratic", 10)


def test_kappa_of_levels_grows_where_judge_and_people_miss_by_one() -> None:
    levels = (1, 2, 3, 4) * 5
    answers = [replace(answer(n, passed=True), value=float(min(4, level + n % 2))) for n, level in enumerate(levels)]
    labels = [
        HumanLabel(prediction_id=f"p{n}", annotator="ana", label=str(level), value=float(level), passed=level >= 3)
        for n, level in enumerate(levels)
    ]
    found = by_metric(calibrated(question=asked(GRADED), answers=answers, labels=labels))
    assert (found["cohens_kappa"].measured.value or 0) > (found["gwets_ac1"].measured.value or 0)


def test_a_tie_is_half_a_pass_in_rates_and_left_out_of_kappa_and_told_in_both() -> None:
    ties = [label(n, passed=n % 2 == 1, who="ben") for n in (0, 1, 2)]
    plain = [label(n, passed=n % 2 == 0) for n in range(20)]
    found = by_metric(calibrated(labels=[*plain, *ties]))
    human, kappa = found["human_rate"].measured, found["cohens_kappa"].measured
    assert human.value == pytest.approx((8 + 0.5 * 3) / 20)
    assert "3 ties of annotators counted as half a pass" in str(human.reason)
    assert found["ppi"].measured.value == pytest.approx(0.5 * 9 / 10 + 0.5 * 0.5 / 10)
    assert (kappa.n, "omitted predictions: 3 undecided" in str(kappa.reason)) == (17, True)
    facts = found["human_rate"].facts
    assert facts is not None
    assert (facts.n_labels, facts.n_tied, found["human_rate"].label_counts) == (20, 3, {"pass": 8, "fail": 9})


def test_a_two_to_two_tie_and_an_adjudicated_one_are_told_apart() -> None:
    both = [label(1, passed=passed, who=who) for who, passed in zip("abcd", (True, True, False, False), strict=True)]
    assert (agreed(both).is_tied, agreed(both).pass_share) == (True, 0.5)
    settled = agreed([*both, label(1, passed=True, who="e", is_adjudication=True)])
    assert (settled.is_tied, settled.pass_share) == (False, 1.0)
    assert agreed([label(1, passed=True)]).pass_share == 1.0


@pytest.mark.parametrize("metric", ["human_rate", "ppi", "rogan"])
def test_what_nobody_could_tell_is_in_the_bounds_of_every_rate(metric: str) -> None:
    said = {n: (n % 2 == 0) != (n in {3, 8, 14}) for n in range(20)}
    unsure = (0, 1)
    labels = [label(n, passed=None if n in unsure else said[n]) for n in range(20)]
    found = by_metric(calibrated(labels=labels))[metric].measured
    without = by_metric(calibrated(labels=[one for one in labels if one.passed is not None]))[metric].measured
    cases = [
        by_metric(calibrated(labels=[label(n, passed=case if n in unsure else said[n]) for n in range(20)]))[
            metric
        ].measured
        for case in (False, True)
    ]
    assert found.value == without.value
    assert found.low == pytest.approx(min(one.low or 0 for one in (without, *cases)))
    assert found.high == pytest.approx(max(one.high or 0 for one in (without, *cases)))
    assert "2 cannot_tell: bounds include that they fail and that they pass" in str(found.reason)


def test_only_experts_calibrate_and_the_labels_of_others_are_counted() -> None:
    plain = calibrated()
    others = [
        *(label(n, passed=n % 2 == 1, who="user", kind=AnnotatorKind.USER) for n in range(12)),
        *(label(n, passed=None, who="bot", kind=AnnotatorKind.MODEL) for n in range(3)),
        *(label(n, passed=True, who="bot", kind=AnnotatorKind.MODEL) for n in range(20, 24)),
    ]
    mixed = calibrated(labels=[*plain.labels, *others])
    before, after = by_metric(plain), by_metric(mixed)
    for metric, finding in after.items():
        assert finding.measured.value == before[metric].measured.value
        if metric in {"human_rate", "ppi", "cohens_kappa"}:
            assert "16 labels of users or models not used" in str(finding.measured.reason)
            assert finding.facts is not None and finding.facts.n_other_kinds == 16
    alone = by_metric(calibrated(labels=others))["cohens_kappa"].measured
    assert (alone.value, alone.reason) == (None, "no human labels; 16 of users or models are not used")


def in_strata(labeled: Sequence[int]) -> CalibrationSet:
    """Forty answers: ten in stratum a, all drawn, and thirty in stratum b, ten of them drawn."""
    strata = {f"p{n}": "a" if n < 10 else "b" for n in range(20)}
    source = drawn(range(20), design="stratified", strata=strata, stratum_sizes={"a": 10, "b": 30})
    inclusion = {unit: 1.0 if name == "a" else 1 / 3 for unit, name in strata.items()}
    labels = [label(n, passed=n % 10 < (2 if n < 10 else 7)) for n in labeled]
    return calibrated(source=replace(source, inclusion=inclusion), labels=labels)


def test_a_stratified_sample_is_weighted_by_the_sizes_of_its_strata() -> None:
    found = by_metric(in_strata(range(20)))["human_rate"].measured
    assert (found.value, found.method) == (pytest.approx(0.25 * 0.2 + 0.75 * 0.7), "stratified_mover_exact")
    # Labels missing at random within a stratum: the others stand for the stratum.
    half = by_metric(in_strata([0, 2, 4, 6, 8, *range(10, 20)]))["human_rate"].measured
    assert half.value == pytest.approx(0.25 * 0.2 + 0.75 * 0.7)


def test_a_slice_across_strata_is_a_domain_of_the_sample() -> None:
    found = in_strata(range(20))
    answers = [replace(one, slices=("half=one",) if n % 2 else ()) for n, one in enumerate(found.answers)]
    half = by_metric(replace(found, answers=answers), name="half=one")["human_rate"].measured
    # Odd numbers: 1 of 5 passes in a, which stand for 5, and 3 of 5 in b, which stand for 15.
    assert half.value == pytest.approx((1 * 1 + 3 * 3) / (5 * 1 + 5 * 3))


def test_a_census_of_the_judged_predictions_gives_every_rate() -> None:
    """Labels of all forty answers: as a random sample of everything, and nothing remains to be corrected."""
    labels = [label(n, passed=(n % 2 == 0) != (n in {3, 8, 14})) for n in range(40)]
    census = by_metric(calibrated(labels=labels, source=drawn(range(40), chance=1.0, design="census")))
    human = census["human_rate"].measured
    expected = proportion_interval(19, 40)
    assert (human.value, human.low, human.high) == pytest.approx((19 / 40, expected.low, expected.high))
    assert census["ppi"].measured.value == pytest.approx(19 / 40)
    assert {census[metric].measured.status for metric in ("human_rate", "ppi")} == {Status.OK}
    assert census["cohens_kappa"].measured.value == pytest.approx(0.85)


def test_labels_that_miss_one_prediction_have_the_bounds_of_its_two_cases() -> None:
    labels = [label(n, passed=n % 2 == 0) for n in range(39)]
    human = by_metric(calibrated(labels=labels, source=LabelSource(design="import", frame="chosen")))[
        "human_rate"
    ].measured
    assert (human.value, human.status) == (None, Status.UNSCORED)
    assert (human.low, human.high) == pytest.approx((proportion_interval(20, 40).low, proportion_interval(21, 40).high))
    assert "for the 1 of 40 predictions without a label" in str(human.reason)


def test_categories_without_an_order_have_nominal_agreement_and_ordered_levels_quadratic() -> None:
    """Kappa of R's irr (kappa2) for raters 2 and 3 of its data set `anxiety`, on the categories that both used."""
    path = SHARED / "data" / "stats" / "irr_anxiety.csv"
    if not path.is_file():
        pytest.skip("../shared/data/stats is not beside the checkout")
    with path.open(encoding="utf-8", newline="") as file:
        rows = [(float(row["rater2"]), float(row["rater3"])) for row in csv.DictReader(file)]
    used = sorted({value for row in rows for value in row})
    levels = tuple(Level(f"{value:g}", value, None, "So.") for value in used)
    answers = [answer(n, passed=None) for n in range(len(rows))]
    given = {
        "answers": [replace(one, status="scored", value=first) for one, (first, _) in zip(answers, rows, strict=True)],
        "labels": [
            replace(label(n, passed=None), label=f"{second:g}", value=second) for n, (_, second) in enumerate(rows)
        ],
        "source": drawn(range(len(rows))),
    }

    ordered = by_metric(calibrated(question=asked(levels), **given))
    nominal = by_metric(calibrated(question=replace(asked(levels), is_ordered=False), **given))

    assert ordered["cohens_kappa"].measured.value == pytest.approx(0.2520325, abs=1e-6)
    assert nominal["cohens_kappa"].measured.value == pytest.approx(-0.006289308, abs=1e-6)
    assert (ordered["cohens_kappa"].details or {})["weighting"] == "quadratic"
    assert (nominal["cohens_kappa"].details or {})["weighting"] == "nominal"
    assert nominal["length_bias"].measured.value is None
