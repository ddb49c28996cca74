"""The calibration of a run's judges: coefficients as numbers, rates in percent, with the number of labels."""

from __future__ import annotations

from assay.report.render import sections
from tests.report.cards import scorecard
from tests.report.test_render import RUN


def row(metric: str, value: float | None, **more: object) -> dict[str, object]:
    return {
        "scorer": "safe", "metric": metric, "population": "input", "method": "m", "value": value, "low": 0.25, "high": 0.75,
        "n": 40, "status": "ok", "reason": None, "calibration": {"n_labels": 30}, **more,
    }  # fmt: skip


def test_agreement_is_a_coefficient_and_rates_are_percent() -> None:
    rows = (
        row("cohens_kappa", 0.5),
        row("corrected_rate", 0.5, method="ppi_mover_exact", status="too_few", reason="9 human labels, fewer than 10"),
        row("corrected_rate", None, method="rogan"),
        row("judged_rate", 0.6, calibration=None),
    )
    (found,) = [one for one in sections(scorecard(run=RUN, calibration=rows)) if one.title.startswith("Calibration")]

    assert found.rows == [
        ("safe", "input", "agreement (κ)", "0.50", "0.25 – 0.75", "40", "30", "ok"),
        (
            *("safe", "input", "pass rate, corrected by labels (ppi)", "50.0%", "25.0% – 75.0%", "40", "30"),
            "too_few: 9 human labels, fewer than 10",
        ),
        ("safe", "input", "pass rate by the judge", "60.0%", "25.0% – 75.0%", "40", "–", "ok"),
    ]
