"""Two evaluations of one test set: each part counts by the one verdict of its detector."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from anomdet.errors import UserError
from anomdet.evaluation.alone import score_alone
from anomdet.evaluation.files import write_measured, write_results
from anomdet.evaluation.operating_point import OperatingPoint
from anomdet.evaluation.summary import Measured, measure
from anomdet.layout import DETAILS, METRICS
from anomdet.workflows.compare import compare
from tests.unit.evaluation.test_unseen import five_parts, one_verdict


def written(folder: Path, measured: Measured) -> Path:
    write_results(folder, measured.results)
    write_measured(folder, measured)
    return folder


def part_level(folder: Path) -> dict:
    return json.loads((folder / METRICS).read_text())["part_level"]


@pytest.fixture
def boxes(tmp_path: Path) -> Path:
    """One escape and one part of overkill."""
    return written(tmp_path / "boxes", five_parts())


@pytest.fixture
def fused(tmp_path: Path) -> Path:
    """The same boxes with a normal-only score: no escape, two parts of overkill."""
    return written(tmp_path / "fused", one_verdict())


def test_parts_count_by_the_one_verdict_where_both_have_a_score(fused: Path) -> None:
    found = compare(fused, fused, num_resamples=20)
    assert found.table["counts"]["escapes"] == {"first": 0, "second": 0, "of": 2}
    assert found.table["counts"]["overkill"] == {"first": 2, "second": 2, "of": 3}
    for key in ("escape_rate", "overkill_rate", "auroc"):
        assert found.table["numbers"][key]["first"] == part_level(fused)[key]
    assert "images are rejected: both by boxes or normal-only score" in found.text


def test_a_score_that_only_one_has_counts_for_that_one_and_the_text_says_so(boxes: Path, fused: Path) -> None:
    found = compare(boxes, fused, num_resamples=20)
    assert found.table["counts"]["escapes"] == {"first": 1, "second": 0, "of": 2}
    assert found.table["verdict_by"] == {"first": "boxes", "second": "boxes or normal-only score"}
    assert "images are rejected: A by boxes, B by boxes or normal-only score" in found.text
    assert "rejected" not in compare(boxes, boxes, num_resamples=20).text


def test_a_model_of_normal_images_alone_is_compared_by_its_score(tmp_path: Path, boxes: Path) -> None:
    scores = np.array([3.0, 0.5, 0.4, 2.0, 0.5])
    alone = written(tmp_path / "alone", score_alone(five_parts(), scores, 1.0, 0.5, 0.95))
    table = compare(alone, boxes, num_resamples=20).table
    assert table["counts"]["escapes"]["first"] == part_level(alone)["escapes"] == 1
    assert table["numbers"]["mAP_50"]["first"] is None and table["numbers"]["mAP_50"]["difference"] is None


def test_scores_that_are_missing_or_of_other_images_are_refused(fused: Path) -> None:
    details = json.loads((fused / DETAILS).read_text())
    for kept, got in (({"spread": 0.5, "image_ratio": [1.0]}, "1 numbers"), (None, "none")):
        (fused / DETAILS).write_text(
            json.dumps(
                {**details, "normal_only": kept}
                if kept
                else {key: value for key, value in details.items() if key != "normal_only"}
            )
        )
        with pytest.raises(UserError, match=f"normal_only: expected the normal-only score of 5 images, got {got}"):
            compare(fused, fused)


def test_a_class_without_its_threshold_is_named_and_gets_no_other(tmp_path: Path) -> None:
    """0.3 was taken in its place, and the comparison was of another detector."""
    results = five_parts().results
    per_class = dict.fromkeys(results.class_nums.tolist(), 0.5)
    folder = written(tmp_path / "a", measure(results, OperatingPoint("costs", "val", None, per_class), complete=True))
    assert compare(folder, folder, num_resamples=20).table
    whole = json.loads((folder / METRICS).read_text())
    name = next(iter(whole["per_class"]))
    lacking = {key: value for key, value in whole["operating_point"]["per_class"].items() if key != name}
    for change, said in (
        ({"per_class": lacking}, rf"metrics\.json: operating_point\.per_class\.{name}: expected a score threshold"),
        ({"per_class": None}, r"metrics\.json: operating_point\.score_threshold: expected a number"),
    ):
        point = {**whole["operating_point"], **change}
        (folder / METRICS).write_text(json.dumps({**whole, "operating_point": point}))
        with pytest.raises(UserError, match=said):
            compare(folder, folder)


def test_what_is_no_folder_or_number_is_refused_in_one_line(boxes: Path) -> None:
    with pytest.raises(
        UserError, match=r"^compare: .* got Measured; of an Evaluation: evaluation\.written\[0\]\.parent"
    ):
        compare(five_parts(), boxes)  # type: ignore[arg-type]
    with pytest.raises(UserError, match=r"^--resamples: expected an integer >= 1, got 2\.5"):
        compare(boxes, boxes, num_resamples=2.5)  # type: ignore[arg-type]
    assert compare(boxes, boxes, num_resamples=np.int64(2), out=boxes.parent / "out").written
