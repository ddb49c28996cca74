"""People label adopted predictions, and their labels calibrate a judge, as for any run."""

from __future__ import annotations

from assay.calibration.calibrate import measure
from assay.labels.csv_import import import_labels
from assay.labels.fill_queue import FillOptions, fill_queue
from assay.records.statuses import SamplePurpose
from tests.adoption.scenario import adopted
from tests.adoption.test_judges import judged_task
from tests.end_to_end.workplace import Workplace
from tests.runs.bench import Bench


def test_labels_of_an_adopted_run_calibrate_its_judge(bench: Bench, place: Workplace, name: str) -> None:
    options = judged_task(place, name)
    run_id = adopted(bench, name, "answer", **options)["answer"].summary.run_id
    project = bench.project
    task = project.task(name)

    (filled,) = fill_queue(project, task, FillOptions(purpose=SamplePurpose.CALIBRATION, size=5))
    assert (filled.run_id, filled.items, filled.frame_size) == (run_id, 5, 5)
    place.rows(
        "labels.csv",
        [{"record_id": f"r{n:05}", "scorer": "good", "label": "4", "annotator": "ana"} for n in range(1, 6)],
    )
    import_labels(project, task, place.root / "labels.csv", run_id=run_id, annotator=None)
    (judge,) = measure(project, task, run_id=run_id).judges
    assert (judge.run.run_id, judge.labels) == (run_id, 5)
